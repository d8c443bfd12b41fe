// The example of the README with three real tenements: routing, weights, failover, webhooks and the way back.
import { describe, expect, test } from "bun:test";
import { Webhook } from "standardwebhooks";
import { freePort } from "../support/free-port.ts";
import { startOrigin } from "../support/origin.ts";
import { until } from "../support/until.ts";
import { type Slum, startSlum } from "./slum.ts";
import { startTen, type Ten } from "./ten.ts";

const HOST = "acme.example.com";

/** On a port that it has again when it is started again. */
async function startRegion(): Promise<Ten> {
  const ten = await startTen({ port: await freePort() });
  await ten.ok("deploy", "api:prod");
  return ten;
}

async function register(slum: Slum, regions: Readonly<Record<string, { readonly url: string }>>) {
  for (const [id, { url }] of Object.entries(regions)) await slum.ok("server", "add", id, url);
}

const urlOf = (ten: Ten) => ({ url: `http://127.0.0.1:${ten.port}` });

interface Heard {
  readonly type: string;
  readonly timestamp: string;
  readonly data: { readonly server?: string; readonly failing_for_secs?: number };
  /** Whether an independent library takes the signature. */
  readonly isSigned: boolean;
}

/** Takes webhooks in this process. */
function startReceiver() {
  const heard: Heard[] = [];
  let secret = "";
  const isSigned = (body: string, { headers }: Request) => {
    try {
      return Boolean(new Webhook(secret).verify(body, Object.fromEntries(headers) as Record<string, string>));
    } catch {
      return false;
    }
  };
  const origin = startOrigin(async (request) => {
    const body = await request.text();
    heard.push({ ...(JSON.parse(body) as Omit<Heard, "isSigned">), isSigned: isSigned(body, request) });
    return new Response("thanks");
  });
  return {
    ...origin,
    heard,
    expects(signingSecret: string) {
      secret = signingSecret;
    },
  };
}

describe("slum in front of three tenements", () => {
  test("sends a domain to its home server, fails over, tells the webhook when all are down, and recovers by itself", async () => {
    await using receiver = startReceiver();
    const tens = await Promise.all([startRegion(), startRegion(), startRegion()]);
    await using stack = new AsyncDisposableStack();
    const [iad, fra, syd] = tens.map((ten) => stack.use(ten)) as [Ten, Ten, Ten];
    await using slum = await startSlum("--offline-after", "3");
    await register(slum, { iad: urlOf(iad), fra: urlOf(fra), syd: urlOf(syd) });
    expect((await slum.ok("tenant", "add", "acme", HOST, "iad", "api", "prod")).stderr).toBe("");
    const hook = await slum.json<{ secret: string }>(
      "webhook",
      "add",
      "ops",
      receiver.url,
      "--allow-private",
    );
    receiver.expects(hook.secret);
    expect((await slum.ok("webhook", "test")).stdout).toBe("ops took it: status 200: thanks\n");
    expect(receiver.heard.splice(0)).toMatchObject([{ type: "webhook.test" }]);

    expect(await slum.get(HOST)).toMatchObject({ status: 200, server: "iad", instance: "api:prod" });

    iad.kill("SIGKILL");
    await iad.exited;
    const answers = await Promise.all(Array.from({ length: 100 }, () => slum.get(HOST)));
    expect(answers.filter(({ status, server }) => status !== 200 || server === "iad")).toEqual([]);
    const posted = await slum.get(HOST, "/", { method: "POST", body: "order 1" });
    expect(posted.status).toBe(200);
    expect(await slum.status("iad")).toBe("offline");

    for (const ten of [fra, syd]) ten.kill("SIGKILL");
    await until("all are offline", async () =>
      (await Promise.all(["fra", "syd"].map(slum.status))).every((one) => one === "offline"),
    );
    const down = await slum.get(HOST);
    expect([down.status, down.headers.get("retry-after")]).toEqual([503, "5"]);
    await until("the fleet is down", () => receiver.heard.length >= 4);

    await Promise.all([iad.start(), fra.start(), syd.start()]);
    await until("the home server serves again", async () => (await slum.get(HOST)).server === "iad");
    await until("everything is told", () => receiver.heard.length >= 8);
    expect(receiver.heard.every(({ isSigned }) => isSigned)).toBe(true);
    const told = receiver.heard.map(({ type, data }) => `${type} ${data.server ?? ""}`.trim());
    expect(told.slice(0, 4).sort()).toEqual([
      "fleet.down",
      ...["fra", "iad", "syd"].map((id) => `server.offline ${id}`),
    ]);
    expect(told.slice(4).sort()).toEqual([
      "fleet.up",
      ...["fra", "iad", "syd"].map((id) => `server.online ${id}`),
    ]);
    // None too early: three seconds of failed checks, and ten without any server.
    const failedForSecs = receiver.heard.flatMap(({ data }) => data.failing_for_secs ?? []);
    expect(failedForSecs.every((secs) => secs >= 3)).toBe(true);
    const { events } = await slum.json<{ events: { kind: string; at: string }[] }>("events");
    const lastOffline = events.findLast(({ kind }) => kind === "server.offline")?.at ?? "";
    const fleetDown = receiver.heard.find(({ type }) => type === "fleet.down")?.timestamp ?? "";
    expect(Date.parse(fleetDown) - Date.parse(lastOffline)).toBeGreaterThanOrEqual(9_990);
  });

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
  });

  test("warns when the home server does not know the instance, and says so of a server that does not trust it", async () => {
    await using iad = await startTen({ toml: UNTRUSTING });
    await using slum = await startSlum();
    const added = await slum.ok("server", "add", "iad", urlOf(iad).url);
    expect(added.stderr).toMatch(/Add "127\.0\.0\.1".* to trusted_proxies and selector_from/);
    const tenant = await slum.ok("tenant", "add", "acme", HOST, "iad", "api", "prod");
    expect(tenant.stderr).toContain("iad does not heed this slum, so visitors get 404");
    expect(await slum.get(HOST)).toMatchObject({ status: 404 });
    await using fra = await startTen({ toml: TRUSTING });
    await slum.ok("server", "add", "fra", urlOf(fra).url);
    const moved = await slum.ok("tenant", "move", "acme", "fra");
    expect(moved.stderr).toContain("fra does not know api:prod");
  });
});

test("a receiver can verify with the old secret and with the new one after a rotation", async () => {
  await using receiver = startReceiver();
  await using slum = await startSlum();
  const old = await slum.json<{ secret: string }>("webhook", "add", "ops", receiver.url, "--allow-private");
  const fresh = await slum.json<{ secret: string }>("webhook", "rotate", "ops");
  expect(fresh.secret).not.toBe(old.secret);
  for (const { secret } of [old, fresh]) {
    receiver.expects(secret);
    await slum.ok("webhook", "test", "ops");
  }
  expect(receiver.heard).toMatchObject([{ isSigned: true }, { isSigned: true }]);
});

const TRUSTING = `
[settings]
selector_from = ["127.0.0.0/8", "::1"]
[service.api]
command = "sleep 1000"
`;

const UNTRUSTING = `
[settings]
trusted_proxies = ["10.9.8.7"]
[service.api]
command = "sleep 1000"
`;
