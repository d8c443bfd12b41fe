// What slum's commands say and how they exit: the truth about what visitors get, and refusals that name the line to write.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { startOrigin } from "../support/origin.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { failToServe, startSlum } from "./slum.ts";

const BINARY = join(import.meta.dir, "../../dist/slum");

test("route exits 5 for a tenant whose visitors get 503, as ps counts it", async () => {
  await using iad = startOrigin(() => new Response("iad"));
  await using slum = await startSlum();
  await slum.ok("server", "add", "iad", iad.url);
  await slum.ok("tenant", "add", "acme", "acme.example.com", "iad", "api");
  expect((await slum.run("route", "acme.example.com")).exit).toBe(0);
  await iad.stop();
  await slum.run("server", "check", "iad");
  await until("it is offline", async () => (await slum.status("iad")) === "offline");
  expect((await slum.get("acme.example.com")).status).toBe(503);
  const shown = await slum.run("route", "acme.example.com");
  expect([shown.exit, shown.stdout]).toEqual([5, expect.stringContaining("none of its servers is online")]);
  expect((await slum.json("route", "acme.example.com")).routable).toBe(false);
  expect((await slum.ok("ps")).stdout).toContain("1 without a server: acme");
}, 120_000);

test("serve says which registry, which domain, where the dashboard is, and what to do next", async () => {
  using temp = createTempDir();
  const serve = async (...words: string[]) => {
    const child = Bun.spawn([BINARY, "serve", "--port", "0", ...words], {
      env: { PATH: process.env.PATH ?? "", NO_COLOR: "1", SLUM_DATA_DIR: temp.file("data") },
      stdout: "pipe",
      stderr: "ignore",
    });
    const reader = child.stdout.getReader();
    const said = new TextDecoder().decode((await reader.read()).value);
    const run = (line: string) =>
      Bun.spawn([BINARY, ...line.split(" ")], { env: { SLUM_DATA_DIR: temp.file("data") }, stderr: "ignore" })
        .exited;
    return {
      said,
      run,
      async [Symbol.asyncDispose]() {
        child.kill();
        await child.exited;
      },
    };
  };
  {
    await using slum = await serve("--domain", "slum.localhost");
    // A domain under localhost is for this machine alone, as localhost is.
    expect(slum.said).toMatch(/^serving http:\/\/127\.0\.0\.1:\d+\/\n/);
    expect(slum.said).toContain(`registry   ${temp.file("data")}/slum.db (0 servers, 0 tenants)`);
    expect(slum.said).toMatch(/domain {5}slum\.localhost: .* at http:\/\/slum\.localhost:\d+\/\n/);
    expect(slum.said).toContain("next       slum server add ID https://...");
    await slum.run("server add iad http://127.0.0.1:1");
  }
  await using slum = await serve();
  expect(slum.said).toContain("(1 server, 0 tenants)");
  expect(slum.said).toContain("next       slum tenant add ID DOMAIN SERVER SERVICE");
}, 120_000);

test("an error of a server that has recovered is shown with how long ago it was", async () => {
  await using iad = startOrigin(() => new Response("iad"));
  await using slum = await startSlum();
  await slum.ok("server", "add", "iad", iad.url);
  await iad.stop();
  await slum.run("server", "check", "iad");
  await until("it is offline", async () => (await slum.status("iad")) === "offline");
  iad.restart();
  await until("it is online", async () => (await slum.status("iad")) === "online");
  expect((await slum.ok("server", "list")).stdout).toMatch(/connection refused, \d+s ago/);
  expect((await slum.run("why", "iad")).stdout).toMatch(/last error +connection refused, \d+s ago/);
  const { servers } = await slum.json<{ servers: { last_error_at: string }[] }>("ps");
  const ageMs = Date.now() - Date.parse(servers[0]?.last_error_at ?? "");
  expect(ageMs).toBeGreaterThanOrEqual(0);
  // The registry keeps it for the next start.
  slum.kill("SIGTERM");
  await slum.exited;
  await slum.start();
  expect((await slum.ok("server", "list")).stdout).toMatch(/connection refused, \d+s ago/);
}, 120_000);

test("an instance that is a server's name, and a word behind a list, are refused with the line to write", async () => {
  await using slum = await startSlum();
  for (const [index, id] of ["iad", "fra", "syd"].entries())
    await slum.ok("server", "add", id, `http://127.0.0.1:${index + 1}`);
  const tenant = ["tenant", "add", "acme", "acme.example.com", "iad", "api"];
  const listed = await slum.run(...tenant, "--failover", "fra", "syd");
  expect([listed.exit, listed.stderr]).toEqual([2, expect.stringContaining("--failover fra,syd")]);
  const named = await slum.run(...tenant, "syd", "--failover", "fra");
  expect([named.exit, named.stderr]).toEqual([2, expect.stringContaining("--failover fra,syd")]);
  expect((await slum.json<{ tenants: unknown[] }>("tenant", "list")).tenants).toEqual([]);
  // Who means it says it with the service.
  const meant = await slum.ok(
    "tenant",
    "add",
    "acme",
    "acme.example.com",
    "iad",
    "api:syd",
    "--failover",
    "fra",
  );
  expect(meant.stdout).toBe("added acme: acme.example.com goes to api:syd on iad\n");
  const twice = await slum.run("tenant", "add", "b", "b.example.com", "iad", "api:one", "two");
  expect([twice.exit, twice.stderr]).toEqual([2, expect.stringContaining("api:one")]);
}, 120_000);

test.each([
  ["--https-port", "8443"],
  ["--certificates", "."],
  ["--acme-email", "ops@example.com"],
])("serve refuses what says how https is served where it is not: %s", async (flag, value) => {
  const { exit, stderr } = await failToServe({}, flag, value);
  expect(exit).toBe(2);
  expect(stderr).toContain(`${flag} says how https is served, and it is not\nhint: add --https`);
});
