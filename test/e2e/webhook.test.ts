// `ten webhook` on the compiled binary: beginnings and ends of trouble, once each, over a kill -9, in each receiver's form.

import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";
import { APPS } from "../support/apps.ts";
import { startOrigin } from "../support/origin.ts";
import { until } from "../support/until.ts";
import { NO_PROCESS } from "../support/workers.ts";
import { startTen, type Ten } from "./ten.ts";

interface Heard {
  readonly path: string;
  readonly id: string;
  readonly type: string;
  readonly text: string;
  readonly data: Readonly<Record<string, string>>;
}

/** Takes messages by path; `answer` says what each is answered. */
function startReceiver(answer: (path: string) => Response = () => new Response("thanks")) {
  const heard: Heard[] = [];
  const bodies: { readonly path: string; readonly body: string; readonly headers: Headers }[] = [];
  const origin = startOrigin(async (request) => {
    const { pathname: path } = new URL(request.url);
    const body = await request.text();
    bodies.push({ path, body, headers: request.headers });
    const reply = answer(path);
    const isJson = body.startsWith("{");
    if (reply.ok && isJson)
      heard.push({ path, id: request.headers.get("webhook-id") ?? "", ...JSON.parse(body) });
    return reply;
  });
  return { ...origin, heard, bodies, types: () => heard.map(({ type }) => type) };
}

const add = (ten: Ten, ...words: string[]) =>
  ten.json<{ webhook: { id: string }; secret: string | null }>("webhook", "add", ...words, "--allow-private");

interface Listed {
  readonly id: string;
  readonly url: string;
  readonly kind: string;
  readonly types: readonly string[] | null;
  readonly waiting: number;
  readonly last_error: string | null;
  readonly last_answer: string | null;
  readonly next_try_at: string | null;
}

const list = async (ten: Ten) => (await ten.json<{ webhooks: Listed[] }>("webhook", "list")).webhooks;

describe("ten webhook", () => {
  test("tells of trouble and its end once each, signed, and goes on after a kill -9", async () => {
    let isUp = true;
    await using receiver = startReceiver(() => new Response(null, { status: isUp ? 200 : 503 }));
    await using ten = await startTen({ service: "max_restarts = 0\n" });
    const { webhook, secret } = await add(ten, receiver.url, "--only", "instance.*,service.*,deploy.*");
    expect(webhook.id).toBe("127-0-0-1");
    await ten.ok("deploy", "api:v1");
    await until("the deploy is told", () => receiver.types().includes("deploy.done"));
    await until("that is noted", async () => (await list(ten))[0]?.waiting === 0);
    const { pid } = (await ten.ps())["api:v1"] ?? {};
    isUp = false;
    process.kill(pid ?? NO_PROCESS, "SIGKILL");
    await until("it waits in the outbox", async () => (await list(ten))[0]?.waiting === 2);
    ten.kill("SIGKILL");
    await ten.exited;
    isUp = true;
    await ten.start();
    // The start of the server is one of the instance too.
    await until("both ends are told", () => receiver.heard.length === 5);
    expect(receiver.types().slice(0, 3)).toEqual(["deploy.done", "instance.failed", "service.unroutable"]);
    expect(receiver.types().slice(3).sort()).toEqual(["instance.recovered", "service.routable"]);
    expect(new Set(receiver.heard.map(({ id }) => id)).size).toBe(5);
    const { body, headers } = receiver.bodies.at(-1) ?? {};
    expect(new Webhook(secret ?? "").verify(body ?? "", Object.fromEntries(headers ?? []))).toBeTruthy();
    await until("all is noted", async () => (await list(ten))[0]?.waiting === 0);
    expect(await list(ten)).toMatchObject([{ waiting: 0, last_answer: "status 200" }]);
  });

  test("tells of a failed deploy, also of one that a kill -9 has ended", async () => {
    await using receiver = startReceiver();
    const app =
      'case "$TEN_VERSION" in bad) echo no such table; exit 3;; slow) exec sleep 60;; esac; exec "$@"';
    const words = ["-c", app, "app", ...APPS.python].map((word) => JSON.stringify(word)).join(", ");
    const toml = `[service.api]\ncommand = "sh"\nargs = [${words}]\nhealth = "/health"\n`;
    await using ten = await startTen({ toml });
    await add(ten, "ops", receiver.url);
    await ten.ok("deploy", "api:v1");
    expect((await ten.run("deploy", "api:bad")).exit).toBe(5);
    const slow = ten.begin("deploy", "api:slow");
    await until("its process is there", async () => (await ten.ps())["api:slow"]?.pid);
    // Of what was told but not noted yet the next start would tell again.
    const isNoted = async () => receiver.heard.length === 2 && (await list(ten))[0]?.waiting === 0;
    await until("what has happened so far is told and noted", isNoted);
    ten.kill("SIGKILL");
    await Promise.all([ten.exited, slow.done]);
    await ten.start();
    await until("all three are told", () => receiver.heard.length === 3);
    expect(receiver.heard.map(({ type, text }) => `${type}: ${text}`)).toEqual([
      "deploy.done: api:v1 takes traffic",
      expect.stringMatching(
        /^deploy.failed: the deploy of api:bad has failed: [\s\S]*exited with code 3[\s\S]*no such table/,
      ),
      "deploy.failed: the deploy of api:slow has failed: the server died during it",
    ]);
    expect(receiver.heard[0]?.data).toMatchObject({ service: "api", instance: "api:v1" });
  });

  test("gives each receiver its form, leaves it alone as long as it asks, and says what a 400 says", async () => {
    await using receiver = startReceiver((path) => {
      if (path === "/busy")
        return new Response("slow down", { status: 429, headers: { "Retry-After": "120" } });
      if (path === "/slack") return new Response("invalid_payload\nmore", { status: 400 });
      return new Response(null, { status: 204 });
    });
    await using ten = await startTen();
    for (const kind of ["slack", "discord", "ntfy"])
      expect((await add(ten, kind, `${receiver.url}/${kind}`, "--kind", kind)).secret).toBeNull();
    await add(ten, "busy", `${receiver.url}/busy`, "--only", "deploy.*");
    const before = Date.now();
    await ten.ok("deploy", "api:v1");
    await until("all were sent to", () => new Set(receiver.bodies.map(({ path }) => path)).size === 4);
    await until("all answers are known", async () =>
      (await list(ten)).every((one) => one.last_answer !== null),
    );
    const [slack, discord, ntfy, busy] = await list(ten);
    expect(slack).toMatchObject({ kind: "slack", last_error: "status 400: invalid_payload" });
    expect(discord).toMatchObject({ kind: "discord", waiting: 0, last_answer: "status 204" });
    expect(ntfy).toMatchObject({ kind: "ntfy", waiting: 0 });
    expect(busy).toMatchObject({ types: ["deploy.*"], last_error: "status 429: slow down" });
    expect(Date.parse(busy?.next_try_at ?? "") - before).toBeGreaterThanOrEqual(119_000);
    const sent = (path: string) => receiver.bodies.find((one) => one.path === path);
    expect(JSON.parse(sent("/slack")?.body ?? "").text).toStartWith("*deploy.done* [ten localhost] ");
    expect(JSON.parse(sent("/discord")?.body ?? "").content).toStartWith("**deploy.done** [ten localhost] ");
    expect(sent("/ntfy")?.headers.get("title")).toBe("deploy.done (ten localhost)");
    const tested = await ten.run("webhook", "test");
    expect(tested.exit).toBe(6);
    expect(tested.stdout).toContain("slack did not take it: status 400: invalid_payload\n");
    expect(tested.stdout).toContain("discord took it: status 204\n");
    expect((await ten.ok("webhook", "list")).stdout).toContain("status 400: invalid_payload");
  });

  test("tells who is added in the middle of trouble of what is wrong, and of its end", async () => {
    await using receiver = startReceiver();
    const words = ["-c", '[ -e broken ] && exit 3; exec "$@"', "app", ...APPS.python];
    const args = words.map((word) => JSON.stringify(word)).join(", ");
    await using ten = await startTen({
      toml: `[service.api]\ncommand = "sh"\nargs = [${args}]\nhealth = "/health"\nmax_restarts = 0\n`,
    });
    await add(ten, "first", `${receiver.url}/first`, "--only", "*");
    await ten.ok("deploy", "api:v1");
    const { pid } = (await ten.ps())["api:v1"] ?? {};
    const broken = join(ten.dir, "broken");
    writeFileSync(broken, "");
    process.kill(pid ?? NO_PROCESS, "SIGKILL");
    const types = (path: string) => receiver.heard.filter((one) => one.path === path).map(({ type }) => type);
    await until("the first knows", () => types("/first").includes("instance.failed"));
    await add(ten, "second", `${receiver.url}/second`, "--only", "instance.*,deploy.*");
    await until("the second knows what it asked for", () => types("/second").length === 1);
    rmSync(broken);
    await ten.ok("restart", "api:v1");
    await until("both are told of the end", () =>
      ["/first", "/second"].every((path) => types(path).includes("instance.recovered")),
    );
    await until("all is noted", async () => (await list(ten)).every(({ waiting }) => waiting === 0));
    expect(types("/second")).toEqual(["instance.failed", "instance.recovered"]);
    const told = (path: string) =>
      receiver.heard.find((one) => one.path === path && one.type === "instance.failed");
    expect(told("/second")).toEqual({ ...told("/first"), path: "/second", id: expect.any(String) } as never);
  });

  test("refuses what would not do, keeps secrets sealed, and shows no URL to who may only look", async () => {
    await using ten = await startTen();
    const refused = async (exit: number, text: string, ...words: string[]) => {
      const result = await ten.run("webhook", ...words);
      expect([result.exit, result.stderr]).toEqual([exit, expect.stringContaining(text)]);
    };
    await refused(8, "--allow-private", "add", "http://127.0.0.1:9/");
    await refused(8, "--allow-private", "add", "http://localhost:9/");
    await refused(2, "not the URL of a receiver", "add", "ftp://h.example.com");
    await refused(2, "instance.failed", "add", "https://h.example.com", "--only", "instance.faild");
    await refused(2, "slack", "add", "https://h.example.com", "--kind", "teams");
    await refused(3, "there is no webhook", "test", "nobody");
    await refused(2, "ten webhook remove", "delete", "ops");
    const { secret } = await add(ten, "ops", "http://127.0.0.1:9/T0/geheim");
    await refused(4, "already", "add", "ops", "http://127.0.0.1:9/", "--allow-private");
    expect((await add(ten, "http://127.0.0.1:9/")).webhook.id).toBe("127-0-0-1");
    expect((await add(ten, "http://127.0.0.1:9/")).webhook.id).toBe("127-0-0-1-2");
    {
      using database = new Database(join(ten.dataDir, "ten.db"), { readonly: true });
      const rows = database.query("SELECT secret FROM webhooks").all() as { secret: string }[];
      expect(rows.every((row) => row.secret.startsWith("enc1:"))).toBe(true);
    }
    expect(statSync(join(ten.dataDir, "registry_key")).mode & 0o777).toBe(0o600);
    expect(JSON.stringify(await list(ten))).not.toContain("geheim");
    const { token } = await ten.json<{ token: string }>("token", "create", "eye", "--scope", "read");
    const seen = await ten.run(
      "webhook",
      "list",
      "--server",
      `http://127.0.0.1:${ten.port}`,
      "--token",
      token,
    );
    expect(seen.stdout).toContain("http://127.0.0.1:9/...");
    expect(seen.stdout).not.toContain("geheim");
    const rotated = await ten.json<{ secret: string }>("webhook", "rotate", "ops");
    expect(rotated.secret).not.toBe(secret);
    await ten.ok("webhook", "remove", "ops");
    expect((await list(ten)).map(({ id }) => id)).toEqual(["127-0-0-1", "127-0-0-1-2"]);
    const log = readFileSync(join(ten.dataDir, "ten.db")).toString("latin1");
    expect(log).not.toContain(secret ?? "whsec_");
    // As when the registry was brought to another machine without its key.
    ten.kill("SIGTERM");
    await ten.exited;
    rmSync(join(ten.dataDir, "registry_key"));
    await ten.start();
    expect(await ten.log()).toContain(
      "127-0-0-1, 127-0-0-1-2: the signing secret is sealed with a key that is not here",
    );
  });
});
