// `slum why` and `slum top`: what is wrong with a server or a tenant's way to one, said first.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { testCertificate } from "../support/certificate.ts";
import { freePort } from "../support/free-port.ts";
import { startOrigin } from "../support/origin.ts";
import { startSecure } from "../support/secure-origin.ts";
import { startInTerminal } from "../support/terminal.ts";
import { until } from "../support/until.ts";
import { reply, wireOrigin } from "../support/wire.ts";
import { type Slum, startSlum } from "./slum.ts";

let slum: Slum;
let origin: ReturnType<typeof startOrigin>;
let secure: Awaited<ReturnType<typeof startSecure>>;

beforeAll(async () => {
  slum = await startSlum();
  origin = startOrigin(() => new Response("an app"));
  secure = await startSecure(testCertificate);
  await slum.run("server", "add", "good", origin.url);
  await slum.run("server", "add", "gone", `http://127.0.0.1:${await freePort()}`);
  await slum.run("server", "add", "untrusted", `https://127.0.0.1:${secure.port}`);
  await slum.run("server", "add", "nameless", "http://nowhere.invalid");
  await slum.ok("tenant", "add", "acme", "acme.test", "good", "api");
  await slum.ok("tenant", "add", "lost", "lost.test", "gone", "api", "--failover", "none");
});
afterAll(async () => {
  await slum?.[Symbol.asyncDispose]();
  await origin?.[Symbol.asyncDispose]();
  await secure?.[Symbol.asyncDispose]();
});

test.each([
  ["good", "well", 0],
  ["gone", "refused", 5],
  ["untrusted", "tls", 5],
  ["nameless", "dns", 5],
  ["acme.test", "well", 0],
  ["lost.test", "refused", 5],
])(
  "%s: %s",
  async (subject, cause, exit) => {
    await until(
      `${subject} is found to be ${cause}`,
      async () => (await slum.json<{ cause: string }>("why", subject)).cause === cause,
      60_000,
    );
    const found = await slum.run("why", subject);
    expect(found.exit).toBe(exit);
    expect(found.stdout.split("\n")[0]).toStartWith(`${subject}: `);
    expect(found.stdout).toContain("what to do:");
    expect(found.stdout).toContain("DNS");
  },
  180_000,
);

test("without a word all that is wrong is told: the worst server in full, the others in a line each", async () => {
  const { exit, stdout } = await slum.run("why");
  expect([exit, stdout.split("\n")[0]]).toEqual([5, expect.stringMatching(/^gone: gone is offline/)]);
  const also = stdout.slice(stdout.indexOf("\nAlso\n"));
  expect(also).toContain("  nameless: the name of nameless cannot be found");
  expect(also).toContain("  untrusted: the certificate of untrusted is not trusted");
  expect(also).toContain("  1 without a server: lost");
  expect(also).not.toContain("good");
  const all = await slum.json<{ servers: number; wrong: { cause: string }[] }>("why");
  expect([all.servers, all.wrong.map(({ cause }) => cause).sort()]).toEqual([4, ["dns", "refused", "tls"]]);
});

test("what is neither is told", async () => expect((await slum.run("why", "nobody.test")).exit).toBe(3));

test("slum top shows trouble first, says why, drains after a y, and leaves the terminal as it was", async () => {
  const binary = join(import.meta.dir, "../../dist/ten");
  await using terminal = startInTerminal([binary, "slum", "top", "--data-dir", slum.dataDir], {
    columns: 80,
    rows: 24,
  });
  await terminal.shows("4 servers");
  const lines = () =>
    Bun.stripANSI(terminal.output().slice(terminal.output().lastIndexOf("\x1b[H"))).split("\r\n");
  for (const line of lines()) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(80);
  terminal.press("\r");
  await terminal.shows("what to do:");
  terminal.press("\x1b");
  terminal.press("?");
  await terminal.shows("the tenants whose home it is");
  terminal.press("\x1b");
  terminal.press("t");
  await terminal.shows("have their home at");
  terminal.press("\x1b");
  terminal.press("/nothing like it\r");
  await terminal.shows("filter: nothing like it");
  await terminal.shows("0 servers");
  terminal.press("\x1b");
  await terminal.shows("4 servers");
  for (let n = 0; n < 4; n++) terminal.press("\x1b[B");
  terminal.press("d");
  await terminal.shows("do it? y/n");
  terminal.press("y");
  await terminal.shows("undo: slum server undrain");
  terminal.press("q");
  expect(await terminal.exited).toBe(0);
  expect(terminal.output().trimEnd()).toEndWith("\x1b[?1049l");
});

/** What `why`, `ps` and its servers say of own answers. */
interface OwnAnswers {
  readonly reasons: {
    readonly reason: string;
    readonly status: number;
    readonly server: string | null;
    readonly count: number;
    readonly last_minute: number;
  }[];
  readonly windows: {
    readonly window_secs: number;
    readonly count: number;
    readonly requests: number | null;
  }[];
}

describe("what slum answers itself", () => {
  const hourOf = ({ windows }: OwnAnswers) => windows.find(({ window_secs: secs }) => secs === 3_600);
  const reasonsOf = ({ reasons }: OwnAnswers) =>
    reasons.map(({ reason, status, server, count }) => [reason, status, server, count]);

  test("is seen of a tenant, of a server and of all, and outlives kill -9 to the minute", async () => {
    // Passes its checks, and breaks off what visitors send.
    using app = wireOrigin((request) =>
      request.head.startsWith("POST") ? request.socket.terminate() : reply(request, "an app"),
    );
    await using own = await startSlum();
    await own.ok("server", "add", "iad", `http://127.0.0.1:${app.address.port}`);
    await own.ok("tenant", "add", "acme", "acme.test", "iad", "api", "--failover", "none");
    await own.ok("tenant", "add", "calm", "calm.test", "iad", "api", "--failover", "none");
    const why = (subject: string) =>
      own.json<{ cause: string; text: string; hint: string; proxy_answers: OwnAnswers }>("why", subject);
    const status = () =>
      own.json<{ proxy_answers: OwnAnswers; servers: { proxy_answers: OwnAnswers | null }[] }>("ps");
    expect((await own.get("acme.test")).status).toBe(200);
    expect((await status()).proxy_answers.reasons).toEqual([]);
    expect((await status()).servers[0]?.proxy_answers).toBeNull();
    for (let n = 0; n < 3; n++)
      expect((await own.get("acme.test", "/", { method: "POST", body: "x" })).status).toBe(502);
    await own.get("nobody.test");
    await until("they are counted", async () => (await why("acme.test")).proxy_answers.reasons.length === 1);

    const ofTenant = await why("acme.test");
    expect(ofTenant.cause).toBe("bad_gateway");
    expect(ofTenant.text).toBe(
      "slum itself answered 3 requests in the last minute with an error: 3 with 502 bad_gateway (iad asked last)",
    );
    expect(reasonsOf(ofTenant.proxy_answers)).toEqual([["bad_gateway", 502, "iad", 3]]);
    const ofServer = await why("iad");
    expect(ofServer.cause).toBe("bad_gateway");
    expect(ofServer.text).toContain("slum itself answered 3 of 4 requests in the last minute with an error");
    expect(ofServer.hint).toContain("ten why");
    const page = await own.run("why", "acme.test");
    expect([page.exit, page.stdout]).toEqual([
      5,
      expect.stringContaining(
        "slum itself answered 3 requests in the last 5 min: 3 with 502 bad_gateway (iad asked last)",
      ),
    ]);
    const calm = await why("calm.test");
    expect([calm.cause, calm.proxy_answers.reasons]).toEqual(["well", []]);
    const all = await status();
    expect(reasonsOf(all.proxy_answers)).toEqual([
      ["bad_gateway", 502, "iad", 3],
      ["unknown_host", 404, null, 1],
    ]);
    expect(hourOf(all.proxy_answers)).toMatchObject({ count: 4, requests: 5 });
    expect(reasonsOf(all.servers[0]?.proxy_answers as OwnAnswers)).toEqual([["bad_gateway", 502, "iad", 3]]);
    const table = (await own.ok("ps")).stdout;
    expect(table).toContain(
      "slum itself answered 3 of 5 requests in the last 5 min: 3 with 502 bad_gateway (iad asked last)",
    );
    expect(table).not.toContain("unknown_host");
    expect((await own.ok("top")).stdout).toContain("3 with 502 bad_gateway (iad asked last)");
    expect((await own.run("why")).stdout).toContain("3 with 502 bad_gateway (iad asked last)");

    const told = () =>
      own.json<{ events: { server: string; detail: string }[] }>("events", "--kind", "request.failed");
    await until("it is told", async () => (await told()).events.length > 0);
    // Once, for three.
    expect((await told()).events).toMatchObject([
      {
        server: "iad",
        detail: expect.stringMatching(/^iad: .*; a visitor of acme got 502 \(bad_gateway\)$/),
      },
    ]);

    // A minute that has ended is on the disk; with an orderly end the one that has not, too.
    own.kill("SIGTERM");
    await own.exited;
    await own.start();
    own.kill("SIGKILL");
    await own.exited;
    await own.start();
    expect(hourOf((await status()).proxy_answers)).toMatchObject({ count: 4, requests: 5 });
    expect(hourOf((await why("acme.test")).proxy_answers)).toMatchObject({ count: 3 });
  });
});
