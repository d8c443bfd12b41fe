// Three slums on one PostgreSQL: what one is told all know, and of what all three see the world hears once.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SQL } from "bun";
import { startOrigin } from "../support/origin.ts";
import { hasPostgres, NEEDS_POSTGRES, startPostgres } from "../support/postgres.ts";
import { localhostCertificate, privateRoot } from "../support/private-ca.ts";
import { startSecure } from "../support/secure-origin.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { type Slum, startSlumWith } from "./slum.ts";

const HOST = "acme.example.com";

/** Three that know of each other; the last one does not trust the private root, so that it alone cannot reach some servers. */
async function startThree(database: string, root: string, webhook: string) {
  await using opened = new AsyncDisposableStack();
  const words = ["--offline-after", "1", "--webhook", webhook];
  const trusting = [...words, "--ca", root];
  const starting = [trusting, trusting, words].map((own) =>
    startSlumWith({ words: own, env: { SLUM_DB: database } }),
  );
  const all: Slum[] = [];
  for (const slum of await Promise.all(starting)) all.push(opened.use(slum));
  for (const slum of all)
    await until("they know of each other", async () => (await countOfSlums(slum)) === 3);
  const owned = opened.move();
  const [a, b, c] = all as [Slum, Slum, Slum];
  return { a, b, c, all, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function countOfSlums(slum: Slum): Promise<number> {
  return (await slum.json<{ registry: { slums: number } }>("ps")).registry.slums;
}

/** Takes webhooks, each with its id; while it holds, it answers none. */
function startReceiver() {
  const heard: { readonly id: string; readonly type: string; readonly server?: string | undefined }[] = [];
  let isHolding = false;
  const origin = startOrigin(async (request) => {
    const { type, data } = (await request.json()) as { type: string; data: { server?: string } };
    heard.push({ id: request.headers.get("webhook-id") ?? "", type, server: data.server });
    if (isHolding) await new Promise(() => {});
    return new Response("thanks");
  });
  return {
    ...origin,
    heard,
    hold(hold: boolean) {
      isHolding = hold;
    },
  };
}

async function kindsOf(slum: Slum, kind: RegExp): Promise<string[]> {
  const { events } = await slum.json<{ events: { kind: string }[] }>("events", "--limit", "1000");
  return events.map((event) => event.kind).filter((one) => kind.test(one));
}

/** What is added at one is routed by all, what one has no other may have, and a drain is everybody's. */
async function changesAreEverybodys({ a, b, c }: { a: Slum; b: Slum; c: Slum }): Promise<void> {
  await a.ok("tenant", "add", "acme", HOST, "iad", "api", "--failover", "none");
  for (const slum of [b, c]) await until("it routes", async () => (await slum.get(HOST)).server === "iad");

  const same = await c.run("tenant", "add", "beta", HOST, "fra", "api");
  expect([same.exit, same.stderr]).toEqual([4, expect.stringContaining("belongs to tenant acme")]);
  const both = await Promise.all(
    [b, c].map((slum, at) => slum.run("tenant", "add", `t${at}`, "beta.example.com", "fra", "api")),
  );
  expect(both.map(({ exit }) => exit).sort()).toEqual([0, 4]);
  expect(both.map(({ stderr }) => stderr).join("")).toContain("beta.example.com belongs to tenant t");

  await b.ok("server", "drain", "fra");
  for (const slum of [a, c])
    await until("it is drained", async () => (await slum.get("beta.example.com")).server !== "fra");
  await c.ok("server", "undrain", "fra");
  const [, token = ""] = /^ {2}(\S+)$/m.exec((await c.ok("token-gen")).stdout) ?? [];
  await until("the token counts", async () => {
    const { status } = await a.get("localhost", "/api/servers", {
      headers: { authorization: `Bearer ${token}` },
    });
    return status === 200;
  });
}

/** The slum that has taken the first message to send it. */
async function tellerAmong(slums: readonly Slum[], database: string): Promise<Slum> {
  await using sql = new SQL({ url: database, max: 1, prepare: false });
  const [claim] = await sql`SELECT claimed_by FROM slum_deliveries ORDER BY seq LIMIT 1`;
  const idOf = ({ dataDir }: Slum) => readFileSync(join(dataDir, "slum_id"), "utf8").trim();
  const teller = slums.find((slum) => claim?.claimed_by?.startsWith(idOf(slum)));
  if (!teller) throw new Error(`no slum has claimed the message: ${JSON.stringify(claim)}`);
  return teller;
}

test.skipIf(!hasPostgres)(
  `three slums share servers and tenants, and send each webhook once, whoever of them dies meanwhile ${NEEDS_POSTGRES}`,
  async () => {
    using temp = createTempDir();
    await Bun.write(temp.file("root.pem"), privateRoot);
    await using postgres = await startPostgres();
    const database = await postgres.createDatabase();
    await using iad = startOrigin(() => new Response("iad"));
    await using fra = startOrigin(() => new Response("fra"));
    await using zrh = await startSecure(localhostCertificate);
    await using receiver = startReceiver();
    await using slums = await startThree(database, temp.file("root.pem"), receiver.url);
    const { a, b, c, all } = slums;
    await a.ok("server", "add", "iad", iad.url);
    await a.ok("server", "add", "fra", fra.url);
    await a.ok("server", "add", "zrh", `https://localhost:${zrh.port}`);
    await changesAreEverybodys(slums);
    for (const slum of all) await until("it has looked", async () => (await slum.status("iad")) === "online");
    await until("one does not reach it", async () => (await c.status("zrh")) === "offline");
    expect([await a.status("zrh"), await b.status("zrh")]).toEqual(["online", "online"]);

    receiver.hold(true);
    await iad.stop();
    await until("one tells", () => receiver.heard.length > 0);
    const teller = await tellerAmong(all, database);
    const [other, left] = all.filter((slum) => slum !== teller) as [Slum, Slum];
    teller.kill("SIGKILL");
    receiver.hold(false);
    await until("another tells it again", () => receiver.heard.length >= 3);
    other.kill("SIGKILL");
    await Promise.all([teller.exited, other.exited]);
    await Promise.all([teller.start(), other.start()]);
    iad.restart();
    await until("the end is told", () => receiver.heard.at(-1)?.type === "tenants.routable");
    for (const slum of all) await until("all see it", async () => (await slum.status("iad")) === "online");

    // Who was killed before it had noted that a message was taken leaves it to another: with the same id.
    const once = new Map(
      receiver.heard.map(({ id, type, server }) => [id, `${type} ${server ?? ""}`.trim()]),
    );
    expect([...once.values()]).toEqual([
      "server.offline iad",
      "tenants.unroutable",
      "server.online iad",
      "tenants.routable",
    ]);
    const told = () => kindsOf(left, /^webhook\.(server|tenants|fleet)/);
    await until("the last is noted", async () => (await told()).length >= 4);
    expect(await told()).toEqual([
      "webhook.server.offline",
      "webhook.tenants.unroutable",
      "webhook.server.online",
      "webhook.tenants.routable",
    ]);
  },
  180_000,
);
