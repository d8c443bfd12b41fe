// Names that do not resolve, for real: what is said of their servers, and that requests neither wait nor fail for it.
import { expect, test } from "bun:test";
import { startOrigin } from "../support/origin.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { type Slum, startSlum, startSlumWith } from "./slum.ts";

const HOST = "acme.example.com";

interface Shown {
  readonly id: string;
  readonly status: string;
  readonly last_check: string;
  readonly last_error: string | null;
}

async function shown(slum: Slum, id: string): Promise<Shown | undefined> {
  return (await slum.json<{ servers: Shown[] }>("server", "list")).servers.find((one) => one.id === id);
}

test("a name that never resolves is told, and takes no requests, not even as the last resort", async () => {
  await using fra = startOrigin(() => new Response("fra"));
  await using slum = await startSlum();
  expect(await slum.ok("events")).toMatchObject({ stdout: "", stderr: "nothing has happened yet\n" });
  const added = await slum.ok("server", "add", "iad", "http://iad.invalid:8080");
  expect(added.stdout).toContain("it does not answer: name not found");
  expect(added.stderr).toBe("");
  await slum.ok("server", "add", "fra", fra.url);
  await slum.ok("tenant", "add", "acme", HOST, "iad", "api");
  await slum.ok("tenant", "add", "solo", "solo.example.com", "iad", "api", "--failover", "none");

  expect(await slum.get(HOST)).toMatchObject({ status: 200, server: "fra", body: "fra" });
  expect(await slum.get(HOST, "/", { method: "POST", body: "x" })).toMatchObject({ server: "fra" });
  expect((await slum.get("solo.example.com")).status).toBe(503);
  await until("iad is offline", async () => (await slum.status("iad")) === "offline");
  expect((await slum.get("solo.example.com")).status).toBe(503);
  expect((await shown(slum, "iad"))?.last_error).toStartWith("name not found");
  expect((await slum.ok("route", HOST)).stdout).toContain("name not found");
});

/** Whether this user may have a hosts file of its own, in a namespace. */
const canMount = Bun.spawnSync(["unshare", "-rm", "true"], { stderr: "ignore" }).success;

test.skipIf(!canMount)(
  "a name that stops resolving keeps its address, and one that moves is followed (needs unshare -rm)",
  async () => {
    using temp = createTempDir();
    const hosts = temp.file("hosts");
    const resolves = (line: string) => Bun.write(hosts, `127.0.0.1 localhost\n${line}\n`);
    await resolves("127.0.0.1 iad.test");
    await using iad = startOrigin(() => new Response("iad"));
    const mount = 'mount --bind "$0" /etc/hosts; exec "$@"';
    await using slum = await startSlumWith({ within: ["unshare", "-rm", "sh", "-c", mount, hosts] });
    const { port } = new URL(iad.url);
    await slum.ok("server", "add", "iad", `http://iad.test:${port}`);
    await slum.ok("tenant", "add", "acme", HOST, "iad", "api");
    expect(await slum.get(HOST)).toMatchObject({ status: 200, server: "iad" });

    await resolves("");
    const told = await until("the failure is told", async () => {
      const { last_error } = (await shown(slum, "iad")) ?? {};
      return last_error;
    });
    expect(told).toMatch(/^name not found \(.+\); its last address 127\.0\.0\.1 is used$/);
    expect(await slum.get(HOST)).toMatchObject({ status: 200, server: "iad" });
    expect(await slum.status("iad")).toBe("online");

    await resolves("127.0.0.2 iad.test");
    await until("it is looked for at its new address", async () => (await slum.status("iad")) === "offline");
    expect((await shown(slum, "iad"))?.last_error).toBe("connection refused");
    await resolves("127.0.0.1 iad.test");
    await until("it is found again", async () => (await slum.status("iad")) === "online");
  },
  180_000,
);
