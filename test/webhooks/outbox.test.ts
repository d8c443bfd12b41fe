// The timeline of webhooks for a server that stays down, with the clock moved by hand, and a sender that keeps its order.
import { describe, expect, test } from "bun:test";
import { createLog } from "../../src/platform/log.ts";
import { systemClock } from "../../src/platform/time/clock.ts";
import { createUpstream } from "../../src/proxy/upstream/upstream.ts";
import { openRegistryAt } from "../../src/slum/registry/open-registry.ts";
import { createOutbox } from "../../src/webhooks/outbox.ts";
import { newSecret } from "../../src/webhooks/signature.ts";
import { enqueue, WAITING_MAX } from "../../src/webhooks/store.ts";
import { createManualClock, type ManualClock } from "../support/manual-clock.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";

async function start(
  answer: (body: { type: string }) => number | Response | Promise<number>,
  more: Record<string, string> = {},
) {
  const temp = createTempDir();
  const clock = createManualClock();
  const path = temp.file("slum.db");
  const registry = await openRegistryAt({ database: path, slumId: "one", clock, fallback: undefined });
  const taken: string[] = [];
  const receiver = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    reusePort: false,
    development: false,
    async fetch(request) {
      const body = (await request.json()) as { type: string };
      const given = await answer(body);
      const status = given instanceof Response ? given.status : given;
      taken.push(`${body.type} ${status}`);
      if (given instanceof Response) return given;
      return new Response(null, { status, headers: { Location: "http://127.0.0.1:1/", ...more } });
    },
  });
  const upstream = createUpstream({ clock: systemClock });
  const webhooks = createOutbox({
    store: registry,
    program: "slum",
    source: "slum here",
    senderId: "one",
    clock,
    upstream,
    log: createLog(clock, () => {}),
    random: () => 0.5,
  });
  await registry.write((writer) => {
    const url = `http://127.0.0.1:${receiver.port}/`;
    writer.webhooks.add({ id: "ops", url, secret: newSecret(), allowPrivate: true, createdAt: 0 });
  });
  return {
    clock,
    registry,
    webhooks,
    taken,
    put: (type: "server.offline" | "server.online") =>
      registry.write((writer) =>
        enqueue(registry, writer, { type, text: type, data: {} }, { nowMs: registry.now(), wallMs: 0 }),
      ),
    async [Symbol.asyncDispose]() {
      webhooks[Symbol.dispose]();
      await upstream[Symbol.asyncDispose]();
      await receiver.stop(true);
      await registry[Symbol.asyncDispose]();
      temp[Symbol.dispose]();
    },
  };
}

/** Real requests of a busy machine take their time, while which the clock goes on. */
const LIMIT_SECS = 300;

/** Moves the clock until something has happened, and answers after how many seconds. */
async function secondsUntil(clock: ManualClock, look: () => boolean): Promise<number> {
  for (let secs = 0; secs <= LIMIT_SECS; secs += 1) {
    for (let turn = 0; turn < 20; turn += 1) {
      if (look()) return secs;
      await Bun.sleep(1);
    }
    await clock.advance(1_000);
  }
  throw new Error(`nothing in ${LIMIT_SECS} s`);
}

describe("the outbox of a receiver", () => {
  test("is sent in order, and a message that is not taken holds up those after it", async () => {
    let up = false;
    await using hook = await start(() => (up ? 200 : 500));
    await hook.put("server.offline");
    await hook.put("server.online");
    await secondsUntil(hook.clock, () => hook.taken.length === 1);
    expect(await secondsUntil(hook.clock, () => hook.taken.length === 2)).toBeGreaterThanOrEqual(4);
    expect(await secondsUntil(hook.clock, () => hook.taken.length === 3)).toBeGreaterThanOrEqual(9);
    up = true;
    await secondsUntil(hook.clock, () => hook.taken.length === 5);
    expect(hook.taken.slice(-2)).toEqual(["server.offline 200", "server.online 200"]);
    await until("the outbox is empty", () => hook.registry.deliveries.size === 0);
  });

  test("has what the receiver wants, and one that is dead holds up no other", async () => {
    await using hook = await start(() => 200);
    const pager = { id: "pager", url: "http://127.0.0.1:1/", types: ["server.offline"], allowPrivate: true };
    await hook.registry.write((writer) =>
      writer.webhooks.add({ ...pager, secret: newSecret(), createdAt: 0 }),
    );
    await hook.put("server.offline");
    await hook.put("server.online");
    hook.webhooks.kick();
    await until("the other has taken both", () => hook.taken.length === 2);
    await until("its outbox is empty", () => hook.registry.deliveries.size === 1);
    expect([...hook.registry.deliveries.values()]).toMatchObject([
      { webhook: "pager", type: "server.offline" },
    ]);
  });

  test("that is not answered in time says so, as no visitor waits for it", async () => {
    await using hook = await start(() => new Promise<never>(() => {}));
    await hook.put("server.offline");
    hook.webhooks.kick();
    const lastError = () => [...hook.registry.deliveries.values()][0]?.lastError ?? undefined;
    await secondsUntil(hook.clock, () => lastError() !== undefined);
    expect(lastError()).toMatch(/^no answer from 127\.0\.0\.1:\d+: no end within \d+ s$/);
  });

  test("is dropped, and the receiver disabled, when that answers 410", async () => {
    await using hook = await start(() => 410);
    await hook.put("server.offline");
    hook.webhooks.kick();
    await until("it is disabled", () => hook.registry.webhooks.get("ops")?.disabled);
    expect(hook.registry.deliveries.size).toBe(0);
    await hook.put("server.online");
    expect(hook.registry.deliveries.size).toBe(0);
  });

  test("leaves a message to the slum that has claimed it since, whatever comes of the try", async () => {
    let claim = () => {};
    await using hook = await start(() => {
      claim();
      return 500;
    });
    claim = () =>
      void hook.registry.write((writer) => {
        for (const one of hook.registry.deliveries.values())
          writer.deliveries.change(one, { claimedBy: "another", claimedUntil: hook.registry.now() + 12_000 });
      });
    await hook.put("server.offline");
    await hook.put("server.online");
    hook.webhooks.kick();
    await until("it was sent", () => hook.taken.length === 1);
    await secondsUntil(hook.clock, () => hook.taken.length === 2);
    const [first] = hook.registry.deliveries.values();
    expect(first).toMatchObject({ claimedBy: "another", attempts: 0 });
  });

  test.each([
    ["120", 120, 145],
    ["86400", 3_590, 3_602],
    ["0", 5, 8],
  ])(
    "is left alone for as long as it asks, Retry-After: %s, and at most an hour",
    async (asked, least, most) => {
      await using hook = await start(() => 503, { "Retry-After": asked });
      await hook.put("server.offline");
      hook.webhooks.kick();
      await until("it was tried", () => hook.registry.deliveries.values().next().value?.attempts === 1);
      const { nextAt = 0 } = hook.registry.deliveries.values().next().value ?? {};
      const secs = (nextAt - hook.registry.now()) / 1000;
      expect(secs >= least && secs <= most).toBe(true);
    },
  );

  test("does not follow redirects", async () => {
    await using hook = await start(() => 302);
    await hook.put("server.offline");
    hook.webhooks.kick();
    await until("it was tried", () => hook.registry.deliveries.values().next().value?.lastError);
    expect(hook.registry.deliveries.values().next().value?.lastError).toBe(
      "status 302, and redirects are not followed",
    );
  });

  test("tells the first line of an answer, however it comes in pieces", async () => {
    const pieces = ["\r\n", "inva", "lid_", "payload\nand so", " on"];
    const answer = async function* () {
      for (const piece of pieces) {
        await Bun.sleep(1);
        yield piece;
      }
    };
    await using hook = await start(() => new Response(answer() as never, { status: 400 }));
    await hook.put("server.offline");
    hook.webhooks.kick();
    const lastError = () => hook.registry.deliveries.values().next().value?.lastError;
    await until("it was tried", lastError);
    expect(lastError()).toBe("status 400: invalid_payload");
  });

  test("goes on when the clock was set back, over what is planned and claimed in its future", async () => {
    let up = false;
    await using hook = await start(() => (up ? 200 : 500));
    await hook.put("server.offline");
    const ahead = hook.registry.now() + 30 * 24 * 3_600_000;
    await hook.registry.write((writer) => {
      for (const one of hook.registry.deliveries.values())
        writer.deliveries.change(one, { claimedBy: "before", claimedUntil: ahead, nextAt: ahead });
    });
    up = true;
    hook.webhooks.kick();
    await until("it is taken", () => hook.registry.deliveries.size === 0);
    expect(hook.taken).toEqual(["server.offline 200"]);
  });

  test("is not given up at the first try after the clock was set forward", async () => {
    await using hook = await start(() => 503);
    await hook.put("server.offline");
    await hook.registry.write((writer) => {
      for (const one of hook.registry.deliveries.values())
        writer.deliveries.change(one, { createdAt: hook.registry.now() - 30 * 24 * 3_600_000 });
    });
    hook.webhooks.kick();
    await until("it was tried", () => hook.taken.length > 0);
    await until("that is noted", () => hook.registry.deliveries.values().next().value?.attempts === 1);
  });

  test("is bounded: the oldest go together, with an event that says so", async () => {
    await using hook = await start(() => 200);
    hook.webhooks[Symbol.dispose]();
    await hook.registry.write((writer) => {
      for (let n = 0; n < WAITING_MAX; n++)
        writer.deliveries.add({
          ...{ webhook: "ops", messageId: `msg_${n}`, type: "server.offline", body: "{}" },
          ...{ createdAt: n, attempts: 0, nextAt: 0 },
        });
    });
    for (let n = 0; n < 3; n++) await hook.put("server.online");
    expect(hook.registry.deliveries.size).toBe(WAITING_MAX - 1_000 + 3);
    expect(hook.registry.deliveries.values().next().value?.messageId).toBe("msg_1000");
    const events = await hook.registry.events({ limit: 10 });
    expect(events.map(({ kind, detail }) => `${kind}: ${detail}`)).toEqual([
      "webhook.dropped: ops takes nothing: of the 10000 messages that waited the 1000 oldest are dropped",
    ]);
  });

  test("is given up after a day of tries", async () => {
    await using hook = await start(() => 503);
    await hook.put("server.offline");
    for (let hour = 0; hour < 30 && hook.registry.deliveries.size > 0; hour += 1) {
      const before = hook.taken.length;
      hook.webhooks.kick();
      await Bun.sleep(5);
      await hook.clock.advance(3_600_000);
      await until(
        "it was tried or given up",
        () => hook.taken.length > before || hook.registry.deliveries.size === 0,
      );
    }
    expect(hook.registry.deliveries.size).toBe(0);
    expect((await hook.registry.events({ limit: 1 }))[0]?.kind).toBe("webhook.given_up");
  });
});
