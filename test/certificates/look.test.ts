// What is seen of a name from here, against servers that play the part of others: another machine, nobody, a proxy that comes to us by http.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createDesk } from "../../src/certificates/desk.ts";
import { diagnose, type Known } from "../../src/certificates/diagnose.ts";
import { type Looked, lookAtName, whereText } from "../../src/certificates/look.ts";
import type { ShownCertificate } from "../../src/certificates/shown-certificate.ts";
import { answerHttpChallenge } from "../../src/core/http-challenge.ts";
import { systemClock } from "../../src/platform/time/clock.ts";
import { freePort } from "../support/free-port.ts";
import { makeAuthority, makeCertificate } from "../support/make-certificate.ts";

const THUMBPRINT = "thumb";

describe("a name", () => {
  const made = makeCertificate(makeAuthority("front root"), { names: ["shop.test"] });
  let ours: ReturnType<typeof Bun.serve>;
  let other: ReturnType<typeof Bun.serve>;
  let front: ReturnType<typeof Bun.serve>;
  beforeAll(() => {
    const serve = (hostname: string, fetch: (request: Request) => Response) =>
      Bun.serve({ port: 0, hostname, fetch });
    ours = serve(
      "127.0.0.1",
      ({ url }) => new Response(answerHttpChallenge(new URL(url).pathname, THUMBPRINT) ?? "?"),
    );
    other = serve("127.0.0.1", () => new Response("a parking page"));
    // Comes to us by http and hands on our redirect, as Cloudflare does when it is "Flexible".
    front = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      tls: { cert: made.certificate, key: made.key },
      fetch: ({ headers }) =>
        new Response(null, {
          status: 308,
          headers: { location: `https://${headers.get("host")}/`, server: "cloudflare" },
        }),
    });
  });
  afterAll(() => Promise.all([ours, other, front].map((one) => one.stop(true))));

  const look = (ports: { http?: number; https?: number } = {}, name = "shop.test") =>
    lookAtName(name, {
      thumbprint: THUMBPRINT,
      clock: systemClock,
      httpsPort: ports.https ?? 1,
      httpPort: ports.http ?? 1,
      addressesOf: async (asked) => {
        if (asked.startsWith("gone")) throw Object.assign(new Error("no"), { code: "ENOTFOUND" });
        return ["127.0.0.1"];
      },
    });

  test("that leads to us is known by our answer to a challenge", async () => {
    const looked = await look({ http: ours.port ?? 0 });
    expect(looked).toEqual({
      addresses: ["127.0.0.1"],
      dnsError: undefined,
      answers: "us",
      tls: undefined,
      circle: undefined,
    });
    expect(whereText("shop.test", looked)).toBe(
      "shop.test leads to 127.0.0.1, and this server answers there",
    );
  });

  test("that leads elsewhere is told with the address, and so is one where nobody answers, and one that is not there", async () => {
    expect(whereText("shop.test", await look({ http: other.port ?? 0 }))).toBe(
      "shop.test leads to 127.0.0.1, where another server answers on port 80 (status 200): point the name to this server",
    );
    expect(whereText("shop.test", await look({ http: await freePort() }))).toContain(
      "where nothing answers on port 80 as seen from here",
    );
    expect(whereText("gone.test", await look({}, "gone.test"))).toBe(
      "gone.test has no address in DNS (ENOTFOUND)",
    );
    expect(whereText("*.shop.test", await look({}, "*.shop.test"))).toBeUndefined();
  });

  test("whose server never ends its answer is seen by what came first, and no more of it is read", async () => {
    const left = Promise.withResolvers<void>();
    let pulls = 0;
    const endless = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () =>
        new Response(
          new ReadableStream<Uint8Array>({
            // The pieces are never ready all at once: the reader has to leave by itself.
            pull: async (controller) => {
              pulls += 1;
              controller.enqueue(new Uint8Array(65_536));
              await Bun.sleep(0);
            },
            cancel: () => left.resolve(),
          }),
        ),
    });
    try {
      expect((await look({ http: endless.port ?? 0 })).answers).toEqual({ status: 200 });
      await left.promise;
      // What is under way in the sockets' buffers, and no gigabytes of it.
      expect(pulls).toBeLessThan(1_000);
    } finally {
      await endless.stop(true);
    }
  });

  test("that is not ours is not looked for: no address of it is asked", async () => {
    const asked: string[] = [];
    const desk = createDesk({
      manager: { list: () => [], troubled: () => [] },
      files: undefined,
      authorities: [],
      clock: systemClock,
      program: "ten",
      isOurs: (name: string) => name === "shop.test",
      clockTrouble: () => undefined,
      look: async (name: string) => {
        asked.push(name);
        return look({}, name);
      },
    } as unknown as Parameters<typeof createDesk>[0]);
    const foreign = await desk.report("metadata.internal");
    expect([foreign.cause, foreign.addresses, foreign.answers]).toEqual(["foreign_name", [], null]);
    expect(asked).toEqual([]);
    await desk.report("shop.test");
    expect(asked).toEqual(["shop.test"]);
  });

  test("that a proxy in front sends round in a circle is seen, with who does", async () => {
    const looked = await look({ http: ours.port ?? 0, https: front.port ?? 0 });
    expect(looked.circle).toEqual({ by: "cloudflare" });
    expect(looked.tls?.issuer).toBe("front root");
    expect(looked.tls?.serial.length).toBeGreaterThan(0);
  });
});

describe("what is wrong with a name", () => {
  const reached: Looked = {
    addresses: ["192.0.2.1"],
    dnsError: undefined,
    answers: "us",
    tls: undefined,
    circle: undefined,
  };
  const certificate: ShownCertificate = {
    name: "shop.test",
    state: "valid",
    source: "acme",
    issuer: "Let's Encrypt",
    serial: "01",
    not_before: null,
    expires_at: null,
    days_left: 80.4,
    renew_at: null,
    authority: "https://ca.test/dir",
    file: null,
    ordering: false,
    failures: 0,
    next_try_at: null,
    last_failure: null,
  };
  const failing: ShownCertificate = {
    ...certificate,
    state: "missing",
    days_left: null,
    failures: 3,
    next_try_at: "2026-01-30T12:31:00.000Z",
    last_failure: { at: "2026-01-30T11:31:00.000Z", reason: "ca.test: no (unauthorized)" },
  };
  const known: Known = { name: "shop.test", isOurs: true, certificate, clock: undefined, looked: reached };
  const about = (more: Partial<Known>) => diagnose({ ...known, ...more }, "ten");
  const elsewhere = { ...reached, answers: { status: 200 } };
  const rows: [string, Partial<Known>, string, RegExp][] = [
    ["nothing", {}, "well", /by Let's Encrypt, good for 80 days/],
    ["a name of somebody else", { isOurs: false }, "foreign_name", /nothing is ordered for it/],
    [
      "no address",
      { looked: { ...reached, addresses: [], dnsError: "ENOTFOUND", answers: undefined } },
      "dns",
      /no address in DNS/,
    ],
    [
      "an address of another machine",
      { certificate: failing, looked: elsewhere },
      "points_elsewhere",
      /leads to 192\.0\.2\.1, where another server answers.*no certificate; the last try failed.*next is at 2026/,
    ],
    [
      "a proxy in front that answers by itself, with our certificate behind it",
      { looked: { ...elsewhere, tls: { serial: "01", issuer: "x", notAfter: 0 } } },
      "well",
      /good for/,
    ],
    [
      "a port that is closed",
      { certificate: failing, looked: { ...reached, answers: "nobody" } },
      "unreachable",
      /nothing answers on port 80/,
    ],
    [
      "Cloudflare, flexible",
      { looked: { ...reached, circle: { by: "cloudflare" } } },
      "redirect_loop",
      /redirects to itself: cloudflare, which ends TLS in front of us, comes to us by http/,
    ],
    [
      "a clock that is wrong",
      { certificate: { ...certificate, state: "expired", days_left: -300 }, clock: "the clock is wrong" },
      "clock",
      /^the clock is wrong; the certificate of shop\.test has ended/,
    ],
    [
      "an end that comes near",
      { certificate: { ...certificate, state: "expiring", days_left: 4 } },
      "certificate_ends",
      /ends in 4 days/,
    ],
    ["no certificate", { certificate: undefined }, "certificate_missing", /has no certificate/],
  ];
  for (const [what, more, cause, text] of rows)
    test(`is told: ${what}`, () => {
      const found = about(more);
      expect(found.cause).toBe(cause as typeof found.cause);
      expect(found.text).toMatch(text);
      expect(found.hint.length).toBeGreaterThan(10);
    });
});
