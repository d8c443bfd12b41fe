// What slum's commands say and how they exit: the truth about what visitors get, and refusals that name the line to write.
import { expect, test } from "bun:test";
import { startOrigin } from "../support/origin.ts";
import { until } from "../support/until.ts";
import { startSlum } from "./slum.ts";

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
}, 20_000);

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
  const { servers } = await slum.json<{ servers: { last_error_at: string }[] }>("ps");
  const ageMs = Date.now() - Date.parse(servers[0]?.last_error_at ?? "");
  expect(ageMs).toBeGreaterThanOrEqual(0);
  // The registry keeps it for the next start.
  slum.kill("SIGTERM");
  await slum.exited;
  await slum.start();
  expect((await slum.ok("server", "list")).stdout).toMatch(/connection refused, \d+s ago/);
}, 20_000);

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
}, 20_000);
