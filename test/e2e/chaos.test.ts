// Random commands, kills, hangs, crashes of the server, a locked registry and (as root) a full disk against a model that
// says what must be true. Seeded: CHAOS_SEED repeats a run, CHAOS_ROUNDS and CHAOS_STEPS make it longer.
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { canMountDisk, mountSmallDisk, type SmallDisk } from "../support/small-disk.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { startTen, type Ten } from "./ten.ts";

const HOST = "api.localhost";
const IDS = ["a", "b", "c", "d"];
const SEED = Number(process.env.CHAOS_SEED ?? 20_261_123);
const ROUNDS = Number(process.env.CHAOS_ROUNDS ?? 1);
const STEPS = Number(process.env.CHAOS_STEPS ?? 40);

interface Instance {
  readonly id: string;
  readonly state: string;
  readonly weight: number;
  readonly pid: number | null;
  readonly port: number | null;
}

/** Park and Miller's generator: small, and the same everywhere. */
function createRandom(seed: number) {
  let state = seed % 2_147_483_647 || 1;
  return (below: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

/** Live processes of this server's instances, found by the mark that every one of them carries. */
async function marked(dir: string): Promise<number[]> {
  using database = new Database(join(dir, "ten.db"), { readonly: true });
  const { value } = database.query("SELECT value FROM meta WHERE key = 'id'").get() as { value: string };
  const pids: number[] = [];
  for (const pid of readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)) {
    const text = await Bun.file(`/proc/${pid}/environ`)
      .text()
      .catch(() => "");
    if (text.includes(`TEN_NONCE=${value}.`) && isAlive(pid)) pids.push(pid);
  }
  return pids.sort((a, b) => a - b);
}

async function listed(ten: Ten): Promise<readonly Instance[]> {
  return (await ten.json<{ instances: Instance[] }>("ps", "--all")).instances;
}

/** What is wrong once nothing is on its way any more: a process that is just dying is looked at again. */
async function violations(ten: Ten, model: Model): Promise<string[]> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const found = await look(ten, model);
    if (found.length === 0 || performance.now() > deadline) return found;
    await Bun.sleep(50);
  }
}

async function look(ten: Ten, { dir, weights }: Model): Promise<string[]> {
  const all = await listed(ten);
  const found = all
    .filter(({ state }) => !["healthy", "stopped", "failed"].includes(state))
    .map(({ id, state }) => `${id} is still ${state}`);
  const running = all.filter(({ pid }) => pid !== null);
  const pids = running.map(({ pid }) => pid ?? 0).sort((a, b) => a - b);
  const alive = await marked(dir);
  if (!Bun.deepEquals(alive, pids)) found.push(`processes ${alive.join()} but rows say ${pids.join()}`);
  const ports = running.map(({ port }) => port);
  if (new Set(ports).size !== ports.length) found.push(`a port is shared: ${ports.join()}`);
  for (const { id, state, pid } of all) {
    if (state === "healthy" && pid === null) found.push(`${id} is healthy without a process`);
  }
  for (const [id, weight] of weights) {
    const is = all.find((one) => one.id === `api:${id}`)?.weight;
    if (is !== weight) found.push(`api:${id} has weight ${is}, ${weight} was set`);
  }
  return found;
}

/** What the model holds: the weights that were set. Unknown after a command that was cut short. */
class Model {
  weights = new Map<string, number>();
  /** The data directory. */
  readonly dir: string;
  readonly disk: SmallDisk | undefined;

  constructor(dir: string, disk: SmallDisk | undefined) {
    this.dir = dir;
    this.disk = disk;
  }

  async learn(ten: Ten): Promise<void> {
    this.weights = new Map((await listed(ten)).map(({ id, weight }) => [id.slice(4), weight]));
  }
}

type Step = (ten: Ten, random: (below: number) => number, model: Model) => Promise<string>;

const some = (random: (below: number) => number) => IDS[random(IDS.length)] ?? "a";

/** A command that ran to its end: what it answered is what the model believes from then on. */
async function command(ten: Ten, model: Model, ...words: string[]): Promise<string> {
  const { exit, stderr } = await ten.run(...words);
  if (exit === 1) throw new Error(`ten ${words.join(" ")}: ${stderr}`);
  await model.learn(ten);
  return `ten ${words.join(" ")} -> ${exit}`;
}

async function signal(ten: Ten, random: (below: number) => number, name: NodeJS.Signals): Promise<string> {
  const running = (await listed(ten)).filter(({ pid }) => pid !== null);
  const victim = running[random(Math.max(1, running.length))];
  if (!victim?.pid) return "nothing to signal";
  process.kill(victim.pid, name);
  return `${name} to ${victim.id}`;
}

const STEPS_BY_NAME: Readonly<Record<string, Step>> = {
  deploy: (ten, random, model) => command(ten, model, "deploy", `api:${some(random)}`),
  promote: (ten, random, model) => command(ten, model, "deploy", `api:${some(random)}`, "--promote"),
  weight: (ten, random, model) => command(ten, model, "weight", `api:${some(random)}`, String(random(101))),
  route: (ten, random, model) => command(ten, model, "route", "api", "--to", some(random)),
  rollback: (ten, _, model) => command(ten, model, "rollback", "api"),
  stop: (ten, random, model) => command(ten, model, "stop", `api:${some(random)}`),
  restart: (ten, random, model) => command(ten, model, "restart", `api:${some(random)}`),
  spawn: (ten, random, model) => command(ten, model, "spawn", `api:${some(random)}`),
  remove: (ten, random, model) => command(ten, model, "rm", `api:${some(random)}`),
  kill: (ten, random) => signal(ten, random, "SIGKILL"),
  terminate: (ten, random) => signal(ten, random, "SIGTERM"),
  async hang(ten, random) {
    const done = await signal(ten, random, "SIGSTOP");
    await ten.get(HOST).catch(() => undefined);
    for (const { pid } of await listed(ten)) if (pid !== null) process.kill(pid, "SIGCONT");
    return done;
  },
  async lock(ten, random, model) {
    using database = new Database(join(model.dir, "ten.db"));
    database.run("PRAGMA busy_timeout = 1000");
    database.run("BEGIN IMMEDIATE");
    const { status } = await ten.get(HOST).catch(() => ({ status: 0 }));
    const pending = command(ten, model, "weight", `api:${some(random)}`, "50");
    await Bun.sleep(300);
    database.run("ROLLBACK");
    return `locked (a visitor got ${status}), ${await pending}`;
  },
  /** While the disk is full a command does all or nothing, traffic goes on, and what is killed comes back. */
  async fill(ten, random, model) {
    if (!model.disk) return "no disk to fill";
    model.disk.fill();
    const { status } = await ten.get(HOST).catch(() => ({ status: 0 }));
    const words = ["weight", `api:${some(random)}`, String(random(101))];
    const { exit, stderr } = await ten.run(...words);
    if (exit === 1 && !stderr.includes("cannot be written")) throw new Error(stderr);
    if (exit === 0) await model.learn(ten);
    const killed = await signal(ten, random, "SIGKILL");
    await Bun.sleep(random(300));
    model.disk.makeRoom();
    return `full (a visitor got ${status}), ten ${words.join(" ")} -> ${exit}, ${killed}`;
  },
  async crashWhileFull(ten, random, model) {
    model.disk?.fill();
    const killed = await signal(ten, random, "SIGKILL");
    ten.kill("SIGKILL");
    await ten.exited;
    await ten.start();
    model.disk?.makeRoom();
    return `full, ${killed}, kill -9 of ten serve, and a start`;
  },
  async leave(ten) {
    ten.kill("SIGQUIT");
    await ten.exited;
    await ten.start();
    return "SIGQUIT to ten serve";
  },
  async crash(ten) {
    ten.kill("SIGKILL");
    await ten.exited;
    await ten.start();
    return "kill -9 of ten serve";
  },
  async crashDuringDeploy(ten, random, model) {
    const cut = ten.run("deploy", `api:${some(random)}`, "--promote");
    await Bun.sleep(random(120));
    ten.kill("SIGKILL");
    await ten.exited;
    await cut;
    await ten.start();
    await model.learn(ten);
    return "kill -9 of ten serve during a deploy";
  },
};

/** Visitors all the time; what an answer may be other than 200 is counted, not judged: instances are being killed. */
function visit(ten: Ten, stopped: { value: boolean }): Promise<Map<string, number>> {
  const seen = new Map<string, number>();
  const note = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
  const visitor = async () => {
    while (!stopped.value) {
      const [what, pause] = await ten.get(HOST).then(
        ({ status }) => [String(status), 2] as const,
        () => ["no server", 20] as const,
      );
      note(what);
      await Bun.sleep(pause);
    }
  };
  return Promise.all([visitor(), visitor()]).then(() => seen);
}

describe("chaos", () => {
  for (let round = 0; round < ROUNDS; round++) {
    const seed = SEED + round;
    test(`seed ${seed}: no process without its row, no row without its process, weights as set`, async () => {
      const random = createRandom(seed);
      using disk = canMountDisk() ? mountSmallDisk(16) : undefined;
      using temp = createTempDir();
      const dir = disk?.path ?? temp.path;
      await using ten = await startTen({
        env: { TENEMENT_DATA_DIR: dir },
        service: "request_timeout = 2\nmax_restarts = 50\nbackoff_base_ms = 50\nbackoff_max_ms = 200",
      });
      const model = new Model(dir, disk);
      const stopped = { value: false };
      await ten.ok("deploy", "api:a");
      await model.learn(ten);
      const visitors = visit(ten, stopped);
      const trail: string[] = [];
      const names = Object.keys(STEPS_BY_NAME);
      for (let step = 0; step < STEPS; step++) {
        const name = names[random(names.length)] ?? "kill";
        trail.push(`${step} ${name}: ${await STEPS_BY_NAME[name]?.(ten, random, model)}`);
        if (step % 10 === 9)
          expect({ found: await violations(ten, model), trail }).toEqual({ found: [], trail });
      }
      stopped.value = true;
      const seen = await visitors;
      const listedReasons = new Set(["200", "502", "503", "504", "no server"]);
      expect([...seen.keys()].filter((what) => !listedReasons.has(what))).toEqual([]);
      expect(seen.get("200") ?? 0).toBeGreaterThan(0);
    }, 120_000);
  }
});
