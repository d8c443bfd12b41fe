// Pages of the operator's own, maintenance, and visitors that are kept on their version, from outside.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startTen, type Ten, tomlFor } from "./ten.ts";

const HOST = "api.localhost";
const PAGE = "<!doctype html><title>Back soon</title>";
const BROWSER = { Accept: "text/html,application/xhtml+xml,*/*;q=0.8" };

function startWithPage(service = ""): Promise<Ten> {
  return startTen({
    service: `error_page = "./503.html"\n${service}`,
    prepare: (dir) => writeFileSync(join(dir, "503.html"), PAGE),
  });
}

async function status(ten: Ten, host: string, path = "/"): Promise<number> {
  return (await ten.get(host, path)).status;
}

describe("maintenance", () => {
  test("shows visitors the page, lets the operator in, survives a restart, and ends", async () => {
    await using ten = await startWithPage();
    await ten.ok("deploy", "api:v1");
    const { stdout, stderr } = await ten.ok("maintenance", "api", "on");
    expect(stdout).toBe("api is under maintenance\n");
    expect(stderr).toContain("undo with: ten maintenance api off");

    expect(await ten.get(HOST, "/", { headers: BROWSER })).toEqual({
      status: 503,
      body: PAGE,
      instance: null,
    });
    expect((await ten.get(HOST)).body).toBe("This service is down for maintenance\n");
    expect(await status(ten, HOST, "/health")).toBe(200);
    expect(await status(ten, `v1.${HOST}`)).toBe(200);

    ten.kill("SIGKILL");
    await ten.exited;
    await ten.start();
    expect(await status(ten, HOST)).toBe(503);
    expect((await ten.ok("ps")).stdout).toContain("api is under maintenance since ");
    expect((await ten.ok("weight", "api")).stdout).toContain("until: ten maintenance api off");
    expect((await ten.json<{ maintenance: unknown }>("ps")).maintenance).toEqual([
      { service: "api", since: expect.stringMatching(/^\d{4}-.*Z$/) },
    ]);

    expect(await ten.json("maintenance", "api", "off")).toEqual({
      schema: 1,
      service: "api",
      changed: true,
      message: "api is not under maintenance",
      maintenance: null,
    });
    expect(await status(ten, HOST)).toBe(200);
    expect((await ten.ok("maintenance", "api", "off")).stdout).toBe(
      "nothing to do: api is not under maintenance\n",
    );
    expect((await ten.ok("maintenance", "api")).stdout).toBe("api is not under maintenance\n");
    expect(await maintenanceEvents(ten)).toEqual(["on", "off"]);
  });

  test("can begin before there is any instance, and a deploy tells of it", async () => {
    await using ten = await startWithPage();
    await ten.ok("maintenance", "api", "on");
    const { stdout } = await ten.ok("deploy", "api:v1");
    expect(stdout).toContain("api is under maintenance since ");
    expect(await status(ten, HOST)).toBe(503);
    expect(await status(ten, `v1.${HOST}`)).toBe(200);
  });

  test("of a service that does not exist, or with another word, is refused", async () => {
    await using ten = await startWithPage();
    expect((await ten.run("maintenance", "web", "on")).exit).toBe(3);
    const { exit, stderr } = await ten.run("maintenance", "api", "onn");
    expect([exit, stderr]).toEqual([2, expect.stringContaining("did you mean on?")]);
  });
});

async function maintenanceEvents(ten: Ten): Promise<string[]> {
  const answer = await fetch("http://localhost/api/events?limit=100", {
    unix: join(ten.dataDir, "ten.sock"),
  });
  const { events } = (await answer.json()) as { events: { kind: string; detail: string }[] };
  return events.filter(({ kind }) => kind === "maintenance").map(({ detail }) => detail);
}

test("an error page is shown when nothing serves, and read again by reload; a missing one is refused by its key", async () => {
  await using ten = await startWithPage();
  const page = async () => (await ten.get(HOST, "/", { headers: BROWSER })).body;
  expect(await page()).toBe(PAGE);
  await Bun.write(join(ten.dir, "503.html"), "<p>new</p>");
  await ten.ok("reload");
  expect(await page()).toBe("<p>new</p>");
  await Bun.write(join(ten.dir, "tenement.toml"), tomlFor("bun", 'error_page = "./nowhere.html"'));
  const { exit, stderr } = await ten.run("reload");
  expect([exit, stderr]).toEqual([2, expect.stringContaining("service.api.error_page: cannot use")]);
  expect(await page()).toBe("<p>new</p>");
});

test("a sticky canary keeps its visitors, and takes more of the others as it grows", async () => {
  await using ten = await startWithPage("sticky = true");
  await ten.ok("deploy", "api:v1");
  await ten.ok("deploy", "api:v2", "--weight", "10");
  const cookies: string[] = new Array(40).fill("");
  const visit = async () => {
    const seen: string[] = [];
    for (const [i, Cookie] of cookies.entries()) {
      const answer = await fetch(`http://127.0.0.1:${ten.port}/`, { headers: { Host: HOST, Cookie } });
      await answer.text();
      cookies[i] = answer.headers.getSetCookie()[0]?.split(";")[0] ?? Cookie;
      seen.push(answer.headers.get("x-ten-instance") ?? "");
    }
    return seen;
  };
  const first = await visit();
  expect(first.filter((one) => one === "api:v2")).toHaveLength(4);
  expect(await visit()).toEqual(first);
  await ten.ok("weight", "api:v2", "50");
  const second = await visit();
  expect(second.every((now, i) => now === "api:v2" || first[i] === "api:v1")).toBe(true);
  await ten.ok("route", "api", "--to", "v2");
  expect(new Set(await visit())).toEqual(new Set(["api:v2"]));
});
