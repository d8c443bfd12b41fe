// The example of the README with three real tenements: routing, weights, failover, webhooks and the way back.
import { describe, expect, test } from "bun:test";
import { Webhook } from "standardwebhooks";
import { until } from "../support/until.ts";
import { type Slum, startOrigin, startSlum } from "./slum.ts";
import { startTen, type Ten } from "./ten.ts";

const HOST = "acme.example.com";

async function startRegion(): Promise<Ten> {
  const ten = await startTen();
  await ten.ok("deploy", "api:prod");
  return ten;
}

async function register(slum: Slum, regions: Readonly<Record<string, { readonly url: string }>>) {
  for (const [id, { url }] of Object.entries(regions)) await slum.ok("server", "add", id, url);
}

const urlOf = (ten: Ten) => ({ url: `http://127.0.0.1:${ten.port}` });

describe("slum in front of three tenements", () => {
  test("sends a domain to its home server, fails over, tells the webhook when all are down, and recovers", async () => {
    const messages: { type: string; signed: boolean }[] = [];
    let secret = "";
    await using receiver = startOrigin(async (request) => {
      const body = await request.text();
      const headers = Object.fromEntries(request.headers) as Record<string, string>;
      let signed = true;
      try {
        new Webhook(secret).verify(body, headers);
      } catch {
        signed = false;
      }
      messages.push({ type: (JSON.parse(body) as { type: string }).type, signed });
      return new Response("thanks");
    });
    const tens = await Promise.all([startRegion(), startRegion(), startRegion()]);
    await using stack = new AsyncDisposableStack();
    const [iad, fra, syd] = tens.map((ten) => stack.use(ten)) as [Ten, Ten, Ten];
    await using slum = await startSlum("--offline-after", "2");
    await register(slum, { iad: urlOf(iad), fra: urlOf(fra), syd: urlOf(syd) });
    expect((await slum.ok("tenant", "add", "acme", HOST, "iad", "api", "prod")).stderr).toBe("");
    const made = await slum.json<{ secret: string }>(
      "webhook",
      "add",
      "ops",
      receiver.url,
      "--allow-private",
    );
    secret = made.secret;
    expect((await slum.ok("webhook", "test")).stdout).toBe("ops took it: status 200: thanks\n");

    expect(await slum.get(HOST)).toMatchObject({ status: 200, server: "iad", instance: "api:prod" });

    iad.kill("SIGKILL");
    await iad.exited;
    const answers = await Promise.all(Array.from({ length: 100 }, () => slum.get(HOST)));
    expect(answers.filter(({ status, server }) => status !== 200 || server === "iad")).toEqual([]);
    const posted = await slum.get(HOST, "/", { method: "POST", body: "order 1" });
    expect(posted.status).toBe(200);
    expect(await slum.status("iad")).toBe("offline");

    for (const ten of [fra, syd]) {
      ten.kill("SIGKILL");
      await ten.exited;
    }
    await until(
      "all are offline",
      async () => (await slum.status("syd")) === "offline" && (await slum.status("fra")) === "offline",
      10_000,
    );
    const down = await slum.get(HOST);
    expect([down.status, down.headers.get("retry-after")]).toEqual([503, "5"]);
    const types = () => messages.map(({ type }) => type);
    await until("the fleet is down", () => types().includes("fleet.down"), 20_000);
    expect(messages.every(({ signed }) => signed)).toBe(true);
    expect(types().filter((type) => type === "server.offline")).toHaveLength(3);

    await slum.ok("server", "drain", "syd");
    await fra.start();
    await slum.run("server", "add", "fra2", urlOf(fra).url);
    await until("the fleet is up", () => types().includes("fleet.up"), 10_000);
    expect((await slum.get(HOST)).server).toBe("fra2");
  }, 90_000);

  test("shows the weights of a tenement exactly: a canary at 10 % is 100 of 1,000", async () => {
    await using iad = await startTen();
    await iad.ok("deploy", "api:v1");
    await iad.ok("deploy", "api:v2", "--weight", "10");
    await using slum = await startSlum();
    await register(slum, { iad: urlOf(iad) });
    await slum.ok("tenant", "add", "acme", HOST, "iad", "api");
    const seen: Record<string, number> = {};
    for (let count = 0; count < 1_000; count += 1) {
      const { instance } = await slum.get(HOST, "/", { headers: { "X-Tenement-Instance": "api:v2" } });
      seen[instance ?? "none"] = (seen[instance ?? "none"] ?? 0) + 1;
    }
    expect(seen).toEqual({ "api:v1": 900, "api:v2": 100 });
  }, 60_000);

  test("warns when the home server does not know the instance, and says so of a server that does not trust it", async () => {
    await using iad = await startTen({ toml: UNTRUSTING });
    await using slum = await startSlum();
    const added = await slum.ok("server", "add", "iad", urlOf(iad).url);
    expect(added.stderr).toContain('Add "127.0.0.1" to trusted_proxies');
    const tenant = await slum.ok("tenant", "add", "acme", HOST, "iad", "api", "prod");
    expect(tenant.stderr).toContain("iad does not know api:prod");
    expect(await slum.get(HOST)).toMatchObject({ status: 404 });
  }, 60_000);
});

const UNTRUSTING = `
[settings]
trusted_proxies = ["10.9.8.7"]
[service.api]
command = "sleep 1000"
`;
