// Reading the configuration again, by command and by SIGHUP.
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { until } from "../support/until.ts";
import { startTen, type Ten, tomlFor } from "./ten.ts";

const HOST = "api.localhost";

async function configure(ten: Ten, toml: string): Promise<void> {
  await Bun.write(join(ten.dir, "tenement.toml"), toml);
}

describe("a reload", () => {
  test("puts domains into force, shows what changed, and leaves instances running", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    const before = (await ten.get(HOST)).body;
    await configure(ten, tomlFor("bun", 'domains = ["shop.example.org"]'));
    const report = await ten.json<{ differences: unknown[]; stale: string[] }>("reload");
    expect(report.differences).toEqual([
      { key: "service.api.domains", before: "[]", after: '["shop.example.org"]' },
    ]);
    expect(report.stale).toEqual([]);
    expect((await ten.get("shop.example.org")).body).toBe(before);
  });

  test("tells of a service that came or went what the file says of it, and not its defaults", async () => {
    await using ten = await startTen();
    const more = '[service.web]\ncommand = "./web"\ndomains = ["example.org"]\n';
    await configure(ten, `${tomlFor("bun")}${more}`);
    const came = await ten.json<{ differences: unknown[] }>("reload");
    expect(came.differences).toEqual([
      { key: "service.web.command", before: null, after: '"./web"' },
      { key: "service.web.domains", before: null, after: '["example.org"]' },
    ]);
    await configure(ten, tomlFor("bun"));
    const went = await ten.json<{ differences: unknown[] }>("reload");
    expect(went.differences).toEqual([
      { key: "service.web.command", before: '"./web"', after: null },
      { key: "service.web.domains", before: '["example.org"]', after: null },
    ]);
  });

  test("of a broken file changes nothing and names the key", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    await configure(ten, tomlFor("bun", 'domians = ["shop.example.org"]'));
    const { exit, stderr } = await ten.run("reload");
    expect([exit, stderr]).toEqual([2, expect.stringContaining("service.api.domians")]);
    expect(stderr).toContain("hint: correct the file; nothing of it was applied");
    expect((await ten.get(HOST)).status).toBe(200);
    ten.kill("SIGHUP");
    await until("the log says why", async () => (await ten.log()).includes("nothing was changed"));
  });

  test("by SIGHUP does the same", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    await configure(ten, tomlFor("bun", 'domains = ["shop.example.org"]'));
    ten.kill("SIGHUP");
    await until("the domain serves", async () => (await ten.get("shop.example.org")).status === 200);
  });

  test("with --restart-changed restarts what runs with an old environment, one by one, without losing a request", async () => {
    await using ten = await startTen();
    await ten.ok("spawn", "api:a");
    await ten.ok("spawn", "api:b");
    await until("both serve", async () => Object.keys(await ten.split(HOST, 4)).length === 2);
    await configure(ten, `${tomlFor("bun")}[service.api.env]\nCOLOUR = "green"\n`);
    expect((await ten.json<{ stale: string[] }>("reload")).stale).toEqual(["api:a", "api:b"]);
    let done = false;
    const load = (async () => {
      const seen: Record<string, number> = {};
      while (!done) {
        const { status } = await ten.get(HOST);
        seen[status] = (seen[status] ?? 0) + 1;
      }
      return seen;
    })();
    const { restarted } = await ten.json<{ restarted: string[] }>("reload", "--restart-changed");
    done = true;
    expect(restarted).toEqual(["api:a", "api:b"]);
    expect(Object.keys(await load)).toEqual(["200"]);
  });

  test("that takes a service away leaves its instances running, and they can be stopped", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    await configure(ten, tomlFor("bun").replace("[service.api]", "[service.web]"));
    expect((await ten.json<{ orphaned: string[] }>("reload")).orphaned).toEqual(["api:v1"]);
    const { instances } = await ten.json<{ instances: { id: string; state: string }[] }>("ps");
    expect(instances).toMatchObject([{ id: "api:v1", state: "healthy" }]);
    await ten.ok("stop", "api:v1");
  });

  test("spawns what [instances] names and could not be started the first time", async () => {
    const instances = '[instances]\napi = ["v1"]\n';
    const broken = tomlFor("bun")
      .replace(/command = .*/, 'command = "no-such-program"')
      .replace(/args = .*/, "");
    await using ten = await startTen({ toml: `${broken}${instances}` });
    await until("the log says why", async () => (await ten.log()).includes("no-such-program"));
    await configure(ten, `${tomlFor("bun")}${instances}`);
    await ten.ok("reload");
    await until("it serves", async () => (await ten.get(HOST)).status === 200);
  });
});
