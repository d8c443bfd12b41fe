// The ACME client against a real authority: every kind of challenge, accounts, profiles, revocation, and what goes wrong on the way.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { chmodSync, writeFileSync } from "node:fs";
import { createAuthorities } from "../../src/certificates/authority.ts";
import { type ChallengeOptions, createChallenges } from "../../src/certificates/challenges.ts";
import { renewalId } from "../../src/certificates/requests.ts";
import { createDirectoryStore } from "../../src/certificates/store/directory-store.ts";
import { answerHttpChallenge } from "../../src/core/http-challenge.ts";
import { systemClock } from "../../src/platform/time/clock.ts";
import { freePort } from "../support/free-port.ts";
import { hasPebble, NEEDS_PEBBLE, type Pebble, startPebble } from "../support/pebble.ts";
import { createTempDir, type TempDir } from "../support/temp-dir.ts";

const run = describe.if(hasPebble);
const noLimit = async () => {};

run(`an authority ${NEEDS_PEBBLE}`, () => {
  let pebble: Pebble;
  let temp: TempDir;
  let web: ReturnType<typeof Bun.serve>;
  let tlsPort = 0;
  let answers = "";

  beforeAll(async () => {
    temp = createTempDir();
    web = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: ({ url }) => new Response(answerHttpChallenge(new URL(url).pathname, answers) ?? "?"),
    });
    tlsPort = await freePort();
    pebble = await startPebble({ httpPort: web.port ?? 0, tlsPort });
  });
  afterAll(async () => {
    await pebble[Symbol.asyncDispose]();
    await web.stop(true);
    temp[Symbol.dispose]();
  });

  function open(name: string, more: Partial<ChallengeOptions> & { profile?: string; urls?: string[] } = {}) {
    const store = createDirectoryStore(temp.file(name));
    const challenges = createChallenges({
      clock: systemClock,
      store,
      kinds: ["http-01"],
      dnsCommand: undefined,
      environment: {},
      ...more,
    });
    const authorities = createAuthorities({
      authorities: (more.urls ?? [pebble.directory]).map((url) => ({ url })),
      email: "ops@example.com",
      profile: more.profile,
      preferredChain: undefined,
      roots: pebble.roots,
      userAgent: "ten/test",
      store,
      prover: challenges,
      clock: systemClock,
    });
    return { store, challenges, authorities };
  }

  async function issue({ authorities }: ReturnType<typeof open>, name: string) {
    answers = (await authorities.open()).thumbprint;
    return authorities.issue({ name, beforeOrder: noLimit });
  }

  test("issues by HTTP-01, though it refuses every fifth nonce", async () => {
    const one = open("http");
    const issued = await issue(one, "web.test");
    const leaf = new X509Certificate(issued.chain);
    expect(leaf.subjectAltName).toBe("DNS:web.test");
    expect(renewalId(issued.chain)).toMatch(/^[\w-]+\.[\w-]+$/);
    // The order outlives a crash until it is settled.
    expect(await one.store.get("order", "web.test")).toContain(issued.key.split("\n")[1]);
    const again = await open("http").authorities.issue({
      name: "web.test",
      beforeOrder: () => Promise.reject(new Error("a second order")),
    });
    expect(new X509Certificate(again.chain).serialNumber).toBe(leaf.serialNumber);
    await one.authorities.settle("web.test");
    expect(await one.store.get("order", "web.test")).toBeUndefined();
  });

  test("issues for an address", async () => {
    const issued = await issue(open("address"), "127.0.0.1");
    expect(new X509Certificate(issued.chain).subjectAltName).toBe("IP Address:127.0.0.1");
  });

  test("issues by TLS-ALPN-01, with a certificate of the moment", async () => {
    const one = open("tls", { kinds: ["tls-alpn-01"] });
    const { prove } = one.challenges;
    one.challenges.prove = async (kind, name, authorization) => {
      const clear = await prove(kind, name, authorization);
      const pair = one.challenges.pending.get(name);
      const listener = Bun.listen({
        hostname: "127.0.0.1",
        port: tlsPort,
        tls: { cert: pair?.chain ?? "", key: pair?.key ?? "" },
        // Bun's types do not know the callback; the option in its place takes no list.
        socket: { data() {}, open() {}, error() {}, ...{ alpnCallback: () => "acme-tls/1" } },
      });
      return async () => {
        listener.stop(true);
        await clear();
      };
    };
    const issued = await issue(one, "tls.test");
    expect(new X509Certificate(issued.chain).subjectAltName).toBe("DNS:tls.test");
    expect(one.challenges.pending.get("tls.test")).toBeUndefined();
    expect(await one.store.list("challenge")).toEqual(new Map());
  });

  function dnsCommand(name: string): string[] {
    const script = temp.file(name);
    writeFileSync(
      script,
      `#!/bin/sh
case $1 in
set) path=set-txt; body="{\\"host\\":\\"$2.\\",\\"value\\":\\"$3\\"}";;
clear) path=clear-txt; body="{\\"host\\":\\"$2.\\"}";;
esac
echo "$1 $2" >> ${temp.file(`${name}.log`)}
exec curl -sf -d "$body" ${pebble.dnsUrl}/$path
`,
    );
    chmodSync(script, 0o700);
    return [script];
  }

  test("issues a wildcard by DNS-01, and takes the record out again", async () => {
    const command = dnsCommand("dns.sh");
    const one = open("dns", { dnsCommand: command, environment: { PATH: process.env.PATH ?? "" } });
    const issued = await issue(one, "*.wild.test");
    expect(new X509Certificate(issued.chain).subjectAltName).toBe("DNS:*.wild.test");
    expect(await Bun.file(temp.file("dns.sh.log")).text()).toBe(
      "set _acme-challenge.wild.test\nclear _acme-challenge.wild.test\n",
    );
  });

  test("a command for DNS that fails is told of with what it wrote", async () => {
    const one = open("dns-fails", { dnsCommand: ["/bin/sh", "-c", "echo no such zone >&2; exit 3"] });
    expect(issue(one, "*.zone.test")).rejects.toThrow(/failed \(exit 3\): no such zone/);
  });

  test("a name that is answered by somebody else is told of as the authority saw it", async () => {
    const one = open("elsewhere");
    await one.authorities.open();
    answers = "somebody-else";
    const failure = await one.authorities
      .issue({ name: "elsewhere.test", beforeOrder: noLimit })
      .catch((thrown) => thrown);
    expect(failure).toMatchObject({ type: "unauthorized", isTheirs: false });
    expect(failure.message).toStartWith("127.0.0.1:");
    expect(await one.store.get("order", "elsewhere.test")).toBeUndefined();
  });

  test("revokes", async () => {
    const one = open("revoke");
    const issued = await issue(one, "revoked.test");
    const serial = new X509Certificate(issued.chain).serialNumber.toLowerCase();
    expect(await pebble.status(serial)).toBe("Valid");
    await one.authorities.revoke(issued.chain, pebble.directory, 4);
    expect(await pebble.status(serial)).toBe("Revoked");
  });

  test("an account that the authority has forgotten is made anew", async () => {
    const one = open("forgotten");
    await one.store.put("account", pebble.directory, `${new URL(pebble.directory).origin}/my-account/none`);
    const issued = await issue(one, "forgotten.test");
    expect(new X509Certificate(issued.chain).subjectAltName).toBe("DNS:forgotten.test");
  });

  test("one that cannot be reached is passed over for the next", async () => {
    const one = open("fallback", { urls: [`https://127.0.0.1:${await freePort()}/dir`, pebble.directory] });
    expect((await issue(one, "fallback.test")).authority).toBe(pebble.directory);
  });

  test("what is no directory is refused with its address", async () => {
    const url = pebble.directory.replace("/dir", "/nothing-here");
    expect(issue(open("unknown", { urls: [url] }), "a.test")).rejects.toThrow(
      `${url} is no ACME directory (status 404)`,
    );
  });

  test("a profile that it does not have is refused before an order", async () => {
    expect(issue(open("profile", { profile: "shortlived" }), "p.test")).rejects.toThrow(
      /no profile shortlived: it has none/,
    );
  });

  test("an authority whose certificate is not trusted is not spoken to", async () => {
    const store = createDirectoryStore(temp.file("untrusted"));
    const prover = createChallenges({
      clock: systemClock,
      store,
      kinds: ["http-01"],
      dnsCommand: undefined,
      environment: {},
    });
    const authorities = createAuthorities({
      authorities: [{ url: pebble.directory }],
      email: undefined,
      profile: undefined,
      preferredChain: undefined,
      roots: undefined,
      userAgent: "ten/test",
      store,
      prover,
      clock: systemClock,
    });
    expect(authorities.issue({ name: "a.test", beforeOrder: noLimit })).rejects.toThrow(/cannot be reached/);
  });
});

run(`external accounts ${NEEDS_PEBBLE}`, () => {
  test("are bound by key, and a wrong key is refused", async () => {
    await using web = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: ({ url }) => new Response(answerHttpChallenge(new URL(url).pathname, answers) ?? "?"),
    });
    let answers = "";
    const hmac = Buffer.from("a secret of thirty-two bytes ...").toString("base64url");
    await using pebble = await startPebble({ httpPort: web.port ?? 0, bindings: { "kid-1": hmac } });
    using temp = createTempDir();
    const open = (name: string, binding?: { kid: string; hmac: string }) => {
      const store = createDirectoryStore(temp.file(name));
      const prover = createChallenges({
        clock: systemClock,
        store,
        kinds: ["http-01"],
        dnsCommand: undefined,
        environment: {},
      });
      const more = {
        email: undefined,
        profile: undefined,
        preferredChain: undefined,
        roots: pebble.roots,
        userAgent: "ten/test",
        clock: systemClock,
      };
      return createAuthorities({ ...more, authorities: [{ url: pebble.directory, binding }], store, prover });
    };
    const right = open("right", { kid: "kid-1", hmac });
    answers = (await right.open()).thumbprint;
    expect((await right.issue({ name: "bound.test", beforeOrder: noLimit })).chain).toContain(
      "BEGIN CERTIFICATE",
    );
    expect(open("none").issue({ name: "a.test", beforeOrder: noLimit })).rejects.toThrow(
      /give its key id and HMAC key/,
    );
    const wrong = open("wrong", { kid: "kid-1", hmac: Buffer.from("another").toString("base64url") });
    expect(wrong.issue({ name: "a.test", beforeOrder: noLimit })).rejects.toThrow(/unauthorized|malformed/);
  });
});
