// `slum why` and `slum top`: what is wrong with a server or a tenant's way to one, said first.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { testCertificate } from "../support/certificate.ts";
import { freePort } from "../support/free-port.ts";
import { startOrigin } from "../support/origin.ts";
import { startSecure } from "../support/secure-origin.ts";
import { startInTerminal } from "../support/terminal.ts";
import { until } from "../support/until.ts";
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
