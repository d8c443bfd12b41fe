// What workers and their supervisor owe each other when two things happen at once.
import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, readlinkSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { shellWord } from "../../../src/core/shell-words.ts";
import { listenForChannels } from "../../../src/platform/net/channel.ts";
import { readVariable } from "../../../src/platform/process/proc.ts";
import { findByNonce, type ManagedProcess } from "../../../src/platform/process/process.ts";
import { PROTOCOL } from "../../../src/proxy/workers/protocol.ts";
import { linkWorker } from "../../../src/proxy/workers/worker-link.ts";
import { freePort } from "../../support/free-port.ts";
import { createManualClock } from "../../support/manual-clock.ts";
import { route, target } from "../../support/routes.ts";
import { createTempDir } from "../../support/temp-dir.ts";
import { until } from "../../support/until.ts";
import { reply, wireClient, wireOrigin } from "../../support/wire.ts";
import { BINARY, NO_PROCESS, startPair, workersOf } from "../../support/workers.ts";

const HOSTS = { hosts: ["api.example.com"] };
const ASK = "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function directory(): string {
  const temp = createTempDir();
  cleanups.push(() => temp[Symbol.dispose]());
  return temp.path;
}

function directoryOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}

async function begin(...options: Parameters<typeof startPair>) {
  const front = await startPair(...options);
  cleanups.push(() => front[Symbol.asyncDispose]());
  return front;
}

describe("planes that begin at once", () => {
  test("do not share a port: one of them has it, the others are told who", async () => {
    const port = await freePort();
    const begun = await Promise.allSettled([1, 2, 3].map(() => begin({}, { port })));
    const refused = begun.flatMap((one) => (one.status === "rejected" ? [String(one.reason)] : []));
    const why = expect.stringContaining(`port ${port} is taken by ten worker`);
    expect(refused).toEqual([why, why]);
  });
});

test("a worker whose socket cannot be removed is replaced as any other", async () => {
  const path = directory();
  const { plane } = await begin({ directory: path });
  const [killed = NO_PROCESS, other = 0] = workersOf(path);
  const socket = join(path, `w_${readVariable(killed, "TEN_NONCE")?.slice("worker.".length)}`);
  rmSync(socket);
  mkdirSync(socket);
  process.kill(killed, "SIGKILL");
  await until("its successor is there", () => workersOf(path).filter((pid) => pid !== killed).length === 2);
  await plane.publish([]);
  expect(workersOf(path)).toContain(other);
  rmdirSync(socket);
});

describe("a target that goes", () => {
  test("as its last request ends has nothing in flight for ever", async () => {
    using origin = wireOrigin(() => {});
    const { plane, counted } = await begin({});
    await plane.publish([route("api", [target("api:v1", { address: origin.address })], HOSTS)]);
    using client = await wireClient(plane.url, ASK);
    await counted({ inFlight: 1 });
    reply(await until("it is there", () => origin.seen[0]), "ok");
    await client.until((text) => text.endsWith("ok"));
    await plane.publish([]);
    await until("it is forgotten", async () => {
      await plane.publish([]);
      return plane.traffic().length === 0;
    });
  });

  test("is drained by workers that finish for another build, too", async () => {
    using origin = wireOrigin(() => {});
    const path = directory();
    const first = await begin({ directory: path });
    const v1 = target("api:v1", { address: origin.address });
    await first.plane.publish([route("api", [v1], HOSTS)]);
    using _client = await wireClient(first.plane.url, ASK);
    await first.counted({ inFlight: 1 });
    await first.plane.leave(0);
    const next = await begin({ directory: path, build: "another" }, { port: Number(first.plane.url.port) });
    await next.plane.publish([route("api", [{ ...v1, readiness: "out" }], HOSTS)]);
    expect(await next.plane.drain("api:v1", 50)).toEqual({ left: 1 });
  });
});

describe("a worker that is about to start", () => {
  test("as the plane closes is not left behind", async () => {
    const path = directory();
    const gate = join(path, "gate");
    writeFileSync(gate, "");
    const script = `while [ ! -e ${gate} ]; do sleep 0.02; done; exec ${shellWord(BINARY)} "$@"`;
    const front = await begin({ directory: path, program: ["/bin/sh", "-c", script, "sh"] });
    rmSync(gate);
    const [victim = NO_PROCESS, other = 0] = workersOf(path);
    process.kill(victim, "SIGKILL");
    const pids = () =>
      findByNonce("worker.").flatMap(({ pid }) => (directoryOf(pid) === path && pid !== victim ? [pid] : []));
    await until("its successor is on its way", () => pids().some((pid) => pid !== other));
    await front.plane.close(1_000);
    expect(pids()).toEqual([]);
  });
});

describe("a worker that was found", () => {
  /** A link to a worker that says what the test says. */
  async function linked(protocol: number) {
    const socket = join(directory(), "w_00000000");
    const signals: string[] = [];
    const clock = createManualClock();
    const said = Promise.withResolvers<(message: object) => void>();
    using _listening = listenForChannels(socket, (channel) => {
      const say = (message: object) => channel.send(JSON.stringify(message));
      say({
        kind: "hello",
        protocol,
        build: "b",
        pid: 1,
        startTime: "1",
        settings: null,
        url: null,
        isClosing: false,
      });
      said.resolve(say);
      return { heard() {}, closed() {} };
    });
    const process: Partial<ManagedProcess> = {
      alive: () => false,
      signalGroup: (signal) => signals.push(signal) > 0,
      stop: async () => ({ unknown: true }),
    };
    const identify = () => process as ManagedProcess;
    const heard: string[] = [];
    const link = await linkWorker({ socket, clock, isAdopted: true, identify }, (_, { kind }) =>
      heard.push(kind),
    );
    cleanups.push(() => link.release());
    return { link, clock, signals, heard, say: await said.promise };
  }

  test("owes a sign of life only when it has been told something", async () => {
    const { link, clock, signals } = await linked(PROTOCOL);
    await clock.advance(60_000);
    expect(signals).toEqual([]);
    void link.dismiss(600_000);
    await clock.advance(7_000);
    expect(signals).toEqual(["SIGKILL"]);
  });

  test("may say what another protocol has words for, and finishes all the same", async () => {
    const { link, clock, signals, heard, say } = await linked(PROTOCOL + 1);
    void link.dismiss(30_000);
    say({ kind: "weather", wind: "north" });
    say({ kind: "hello" });
    await clock.advance(29_000);
    expect([signals, heard]).toEqual([[], []]);
    const ended = Promise.withResolvers<void>();
    void link.gone.then(ended.resolve);
    await clock.advance(7_000);
    expect(signals).toEqual(["SIGKILL"]);
    await ended.promise;
  });
});
