// A real authority at its worst: every tenth nonce refused, slow validations, long and alternate chains, proofs that are known already; and a clock that is wrong.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { alternatesOf } from "../../src/certificates/acme/chain.ts";
import type { ChallengeKind } from "../../src/certificates/acme/order.ts";
import { createAuthorities } from "../../src/certificates/authority.ts";
import { readCertificate, rootOf } from "../../src/certificates/certificate.ts";
import { createChallenges } from "../../src/certificates/challenges.ts";
import { createCertificateManager } from "../../src/certificates/manager.ts";
import { renewalId } from "../../src/certificates/requests.ts";
import { answerHttpChallenge } from "../../src/core/http-challenge.ts";
import { type Clock, systemClock } from "../../src/platform/time/clock.ts";
import { freePort } from "../support/free-port.ts";
import { makeAuthority, makeCertificate } from "../support/make-certificate.ts";
import { createMemoryStore } from "../support/memory-store.ts";
import { hasPebble, NEEDS_PEBBLE, type Pebble, startPebble } from "../support/pebble.ts";
import { until } from "../support/until.ts";

const noLimit = async () => {};
const YEAR = 365 * 86_400_000;

describe.if(hasPebble)(`an authority that is slow and strict ${NEEDS_PEBBLE}`, () => {
  let pebble: Pebble;
  let web: ReturnType<typeof Bun.serve>;
  let answers = "";

  beforeAll(async () => {
    web = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: ({ url }) => new Response(answerHttpChallenge(new URL(url).pathname, answers) ?? "?"),
    });
    pebble = await startPebble({
      httpPort: web.port ?? 0,
      env: {
        PEBBLE_VA_NOSLEEP: "0",
        PEBBLE_VA_SLEEPTIME: "2",
        PEBBLE_WFE_NONCEREJECT: "10",
        PEBBLE_AUTHZREUSE: "100",
        PEBBLE_CHAIN_LENGTH: "3",
        PEBBLE_ALTERNATE_ROOTS: "2",
      },
    });
  });
  afterAll(async () => {
    await pebble[Symbol.asyncDispose]();
    await web.stop(true);
  });

  interface More {
    readonly urls?: readonly string[];
    readonly roots?: string;
    readonly profile?: string;
    readonly preferredChain?: string;
    readonly clock?: Clock;
  }

  async function open({
    urls = [pebble.directory],
    roots,
    profile,
    preferredChain,
    clock = systemClock,
  }: More = {}) {
    const store = createMemoryStore();
    const proved: string[] = [];
    const challenges = createChallenges({
      clock,
      store,
      kinds: ["http-01"],
      dnsCommand: undefined,
      environment: {},
    });
    const prover = {
      ...challenges,
      prove(kind: ChallengeKind, name: string, authorization: string) {
        proved.push(name);
        return challenges.prove(kind, name, authorization);
      },
    };
    const authorities = createAuthorities({
      authorities: urls.map((url) => ({ url })),
      email: undefined,
      profile,
      preferredChain,
      roots: roots ?? pebble.roots,
      userAgent: "ten/test",
      store,
      prover,
      clock,
    });
    answers = (await authorities.open()).thumbprint;
    return { authorities, store, proved, clock };
  }

  test("issues a chain of four that leads to its root, and knows what was proved before", async () => {
    const { authorities, proved } = await open();
    const first = await authorities.issue({ name: "slow.test", beforeOrder: noLimit });
    await authorities.settle("slow.test");
    const chain = first.chain.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    expect(chain.length).toBe(4);
    const root = new X509Certificate(await pebble.issuingRoot());
    expect(new X509Certificate(chain.at(-1) ?? "").verify(root.publicKey)).toBe(true);
    const read = readCertificate(`${first.chain}\n${first.key}`, "pebble", systemClock.now());
    expect(read.names).toEqual(["slow.test"]);
    const second = await authorities.issue({ name: "slow.test", beforeOrder: noLimit });
    expect(new X509Certificate(second.chain).serialNumber).not.toBe(
      new X509Certificate(first.chain).serialNumber,
    );
    expect(second.key).not.toBe(first.key);
    expect(proved).toEqual(["slow.test"]);
  });

  test("that offers several chains gives the one that leads to the root that is preferred, and its first where none does", async () => {
    const roots = await Promise.all([0, 1, 2].map((nth) => pebble.issuingRoot(nth)));
    const names = await Promise.all([0, 1, 2].map((nth) => pebble.rootName(nth)));
    expect(new Set(names).size).toBe(3);
    const issued = async (preferredChain: string) => {
      const { authorities, store } = await open({ preferredChain });
      const { chain } = await authorities.issue({ name: "chain.test", beforeOrder: noLimit });
      expect(await store.get("order", "chain.test")).toBeDefined();
      return chain;
    };
    for (const [nth, name] of names.entries()) {
      const chain = await issued(name);
      expect([name, rootOf(chain)]).toEqual([name, name]);
      const blocks = chain.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
      const root = new X509Certificate(roots[nth] ?? "");
      expect(new X509Certificate(blocks.at(-1) ?? "").verify(root.publicKey)).toBe(true);
    }
    const other = await issued("No Such Root");
    expect(rootOf(other)).toBe(names[0]);
  });

  test("that says so in its directory is asked for a profile, and for the time of renewal", async () => {
    const root = makeAuthority("front root");
    const own = makeCertificate(root, { names: ["127.0.0.1"] });
    const start = systemClock.now() + 86_400_000;
    const asked: string[] = [];
    // This pebble knows neither; its directory is told on with both in it.
    await using front = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      tls: { cert: own.certificate, key: own.key },
      async fetch({ url }) {
        const { pathname, origin } = new URL(url);
        if (pathname.startsWith("/ari/")) {
          asked.push(pathname.slice(5));
          const suggestedWindow = {
            start: new Date(start).toISOString(),
            end: new Date(start + 1000).toISOString(),
          };
          return Response.json({ suggestedWindow }, { headers: { "retry-after": "7200" } });
        }
        const known = await fetch(pebble.directory, { tls: { ca: pebble.roots } } as RequestInit);
        const directory = (await known.json()) as { meta?: object };
        const meta = { ...directory.meta, profiles: { shortlived: "six days" } };
        return Response.json({ ...directory, renewalInfo: `${origin}/ari`, meta });
      },
    });
    const url = `${front.url.origin}/dir`;
    const roots = `${pebble.roots}${root.certificate}`;
    const { authorities } = await open({ urls: [url], roots, profile: "shortlived" });
    const issued = await authorities.issue({ name: "ari.test", beforeOrder: noLimit });
    await authorities.settle("ari.test");
    const info = await authorities.renewalInfo(issued.chain, url);
    expect(info).toEqual({ window: { start, end: start + 1000 }, askAgainMs: 7_200_000 });
    expect(asked).toEqual([renewalId(issued.chain) ?? "?"]);
    const renewed = await authorities.issue({
      name: "ari.test",
      replaces: { chain: issued.chain, authority: url },
      beforeOrder: noLimit,
    });
    expect(new X509Certificate(renewed.chain).subjectAltName).toBe("DNS:ari.test");
    const wrong = await open({ urls: [url], roots, profile: "classic" });
    expect(wrong.authorities.issue({ name: "b.test", beforeOrder: noLimit })).rejects.toThrow(
      "there is no profile classic: it has shortlived",
    );
  });

  test("a clock that is a year off is told from a certificate that is bad", async () => {
    const managed = async (offMs: number) => {
      const clock: Clock = { ...systemClock, now: () => systemClock.now() + offMs };
      const { authorities, store } = await open({ clock });
      const manager = await createCertificateManager({
        store,
        authorities,
        clock,
        random: () => 0.5,
        isOurs: () => true,
        onEvent: () => {},
        onChange: () => {},
      });
      manager.want(["clock.test"]);
      const failure = await until("it has failed", () => manager.list()[0]?.record.lastFailure);
      manager[Symbol.dispose]();
      return failure.reason;
    };
    const behind = await managed(-YEAR);
    expect(behind).toContain("the certificate begins on ");
    expect(behind).toMatch(
      /the clock of this machine is 36[456] days behind that of 127\.0\.0\.1:\d+: set it/,
    );
    // Five years on, what is issued now is over.
    expect(await managed(6 * YEAR)).toMatch(/expired on .*days ahead of that of 127\.0\.0\.1/);
  });

  test("one that is down is left alone for a while, and the next asked; what a limit of its own means is told", async () => {
    let connections = 0;
    using listener = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open(socket) {
          connections++;
          socket.end();
        },
        data() {},
      },
    });
    const dead = `https://127.0.0.1:${listener.port}/dir`;
    const both = await open({ urls: [dead, pebble.directory] });
    for (const name of ["one.test", "two.test"])
      expect((await both.authorities.issue({ name, beforeOrder: noLimit })).authority).toBe(pebble.directory);
    const tries = connections;
    expect(tries).toBeGreaterThan(0);
    expect(both.authorities.heldUntil()).toBeUndefined();
    const alone = await open({ urls: [dead] });
    await expect(alone.authorities.issue({ name: "one.test", beforeOrder: noLimit })).rejects.toThrow(
      /cannot be reached/,
    );
    const seen = connections;
    await expect(alone.authorities.issue({ name: "two.test", beforeOrder: noLimit })).rejects.toThrow(
      /cannot be reached/,
    );
    expect(connections).toBe(seen);
    expect(alone.authorities.heldUntil()).toBeGreaterThan(systemClock.now() + 50_000);
    // Whoever orders by hand is not held up.
    await alone.authorities.issue({ name: "two.test", isForced: true, beforeOrder: noLimit }).catch(() => {});
    expect(connections).toBeGreaterThan(seen);
  });
});

test("the wait for an authority that was down outlives a restart", async () => {
  const store = createMemoryStore();
  const url = `https://127.0.0.1:${await freePort()}/dir`;
  const open = async () => {
    const prover = createChallenges({
      clock: systemClock,
      store,
      kinds: ["http-01"],
      dnsCommand: undefined,
      environment: {},
    });
    const authorities = createAuthorities({
      authorities: [{ url }],
      email: undefined,
      profile: undefined,
      preferredChain: undefined,
      roots: undefined,
      userAgent: "ten/test",
      store,
      prover,
      clock: systemClock,
    });
    await authorities.open();
    return authorities;
  };
  const one = await open();
  await one.issue({ name: "a.test", beforeOrder: noLimit }).catch(() => {});
  const until = one.heldUntil();
  expect(until).toBeGreaterThan(systemClock.now());
  expect((await open()).heldUntil()).toBe(until ?? 0);
});

describe("links of an answer with a certificate", () => {
  const found = (link: string) =>
    alternatesOf({ headers: new Headers(link === "" ? {} : { link }) }, "https://ca.test/cert/1");
  test.each([
    ["", []],
    ['<https://ca.test/cert/1/1>;rel="alternate"', ["https://ca.test/cert/1/1"]],
    ["</cert/1/1>; rel=alternate", ["https://ca.test/cert/1/1"]],
    ['<1/1>;title="a, b; c";rel="up ALTERNATE"', ["https://ca.test/cert/1/1"]],
    [
      '<https://ca.test/dir>;rel="index", </1>;rel="alternate", </2>; rel="alternate"',
      ["https://ca.test/1", "https://ca.test/2"],
    ],
    ['<https://ca.test/dir>;rel="index"', []],
    ['<http://[>;rel="alternate"', []],
    ['<no end;rel="alternate"', []],
    [
      Array.from({ length: 20 }, (_, nth) => `</${nth}>;rel="alternate"`).join(","),
      Array.from({ length: 8 }, (_, nth) => `https://ca.test/${nth}`),
    ],
  ])("%s", (link, urls) => {
    expect(found(link)).toEqual(urls);
  });
});
