// Links to a version before it takes traffic: made by deploy and by hand, revoked, kept over a restart.
import { describe, expect, test } from "bun:test";
import { startTen, type Ten, tomlFor } from "./ten.ts";

/** Nobody may name an instance, so that this machine sees no more than visitors do. */
const CLOSED = tomlFor("bun").replace(/^selector_from = .*$/m, "selector_from = []");
const OPTIONS = { serve: ["--domain", "example.com", "--host", "127.0.0.1"], toml: CLOSED };
const HOST = "api.example.com";

/** What a browser does with a link: it follows it, and keeps the cookie. */
async function open(ten: Ten, url: string): Promise<string> {
  const { pathname, search } = new URL(url);
  const answer = await fetch(`http://127.0.0.1:${ten.port}${pathname}${search}`, {
    headers: { Host: HOST },
    redirect: "manual",
  });
  expect(answer.status).toBe(302);
  return (answer.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
}

describe("a version without traffic", () => {
  test("is seen by who has a link, and by nobody else", async () => {
    await using ten = await startTen(OPTIONS);
    await ten.ok("deploy", "api:v1");
    const deployed = await ten.ok("deploy", "api:v2");
    const [url = ""] = /http:\S+ten-link=\S+/.exec(deployed.stderr) ?? [];
    expect((await ten.get(`v2.${HOST}`)).status).toBe(404);
    expect((await ten.get(`v1.${HOST}`)).instance).toBe("api:v1");
    const cookie = await open(ten, url);
    const seen = async (host = HOST) => (await ten.get(host, "/", { headers: { cookie } })).instance;
    expect(await seen()).toBe("api:v2");
    expect(await seen(`v2.${HOST}`)).toBe("api:v2");
    expect((await ten.get(HOST)).instance).toBe("api:v1");
    expect((await ten.ok("ps")).stdout).toMatch(
      /^api:v2: 1 link, until (?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d$/m,
    );

    ten.kill("SIGKILL");
    await ten.exited;
    await ten.start();
    expect(await seen()).toBe("api:v2");

    const more = await ten.ok("link", "api:v2", "--for", "2d");
    const second = await open(ten, more.stdout.trim());
    expect((await ten.get(HOST, "/", { headers: { cookie: second } })).instance).toBe("api:v2");
    const revoked = await ten.ok("link", "api:v2", "--revoke");
    expect(revoked.stdout).toBe("2 links to api:v2 revoked\n");
    const { events } = await ten.json<{ events: { kind: string; instance: string; detail: string }[] }>(
      "events",
    );
    const told = events.filter(({ kind }) => kind === "link");
    expect([...new Set(told.map(({ instance }) => instance))]).toEqual(["api:v2"]);
    expect(told.map(({ detail }) => detail).sort()).toEqual([
      "made, for 172800 s",
      "made, for 3600 s",
      "revoked, 2",
    ]);
    expect(await seen()).toBe("api:v1");
    expect((await ten.get(`v2.${HOST}`, "/", { headers: { cookie } })).status).toBe(404);
  });

  test("is open to all once it takes traffic, and where direct says so", async () => {
    await using ten = await startTen(OPTIONS);
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2");
    await ten.ok("route", "api", "--to", "v2");
    expect((await ten.get(`v2.${HOST}`)).instance).toBe("api:v2");
    expect((await ten.get(`v1.${HOST}`)).status).toBe(404);
    await using free = await startTen({ ...OPTIONS, toml: tomlFor("bun", 'direct = "open"') });
    await free.ok("deploy", "api:v1");
    const deployed = await free.ok("deploy", "api:v2");
    expect(deployed.stderr).not.toContain("ten-link");
    expect((await free.get(`v2.${HOST}`)).instance).toBe("api:v2");
  });

  test("is seen by peers that direct_from names", async () => {
    const settings = '[settings]\ndirect_from = ["127.0.0.0/8"]\n';
    await using ten = await startTen({ ...OPTIONS, toml: tomlFor("bun").replace("[settings]\n", settings) });
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2");
    expect((await ten.get(`v2.${HOST}`)).instance).toBe("api:v2");
  });

  test("what is no instance has no link", async () => {
    await using ten = await startTen(OPTIONS);
    await ten.ok("deploy", "api:v1");
    expect((await ten.run("link", "api:v9")).exit).toBe(3);
    expect((await ten.run("link", "api:v1", "--for", "0")).exit).toBe(2);
  });
});
