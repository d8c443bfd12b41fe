// Three regions with SQLite: one writes, Litestream copies that to a bucket, the others read copies that they fetch anew.
import { type Bucket, startBucket } from "./bucket.ts";
import {
  configure,
  hasLitestream,
  READING_ENV,
  readingService,
  replicate,
  restore,
  SYNC_MS,
  WRITING_ENV,
} from "./litestream.ts";
import { Machine } from "./machine.ts";
import { type Child, type Stage, until } from "./stage.ts";

export class Regions {
  readonly iad: Machine;
  readonly fra: Machine;
  readonly syd: Machine;
  readonly #stage: Stage;
  readonly #bucket: Bucket;
  #writer: Machine;
  #replication: Child | undefined;
  #refreshes = 0;

  constructor(stage: Stage) {
    if (!hasLitestream)
      throw new Error("there is no litestream on this machine: https://litestream.io/install");
    this.#stage = stage;
    this.#bucket = startBucket();
    stage.defer(() => this.#bucket[Symbol.asyncDispose]());
    this.iad = new Machine(stage, "iad", { env: WRITING_ENV });
    this.fra = new Machine(stage, "fra", {});
    this.syd = new Machine(stage, "syd", {});
    this.#writer = this.iad;
  }

  get all(): readonly Machine[] {
    return [this.iad, this.fra, this.syd];
  }

  /** iad first, as the others begin with a copy of what it has. */
  async boot(): Promise<void> {
    const { iad } = this;
    await iad.boot();
    await iad.ten("deploy", "notes", "--version", "v1");
    this.#replication = replicate(this.#stage, iad, configure(iad, this.#bucket));
    const headers = { Host: "notes.localhost" };
    await fetch(`${iad.url}/notes`, { method: "POST", headers, body: "the first" });
    await Bun.sleep(2 * SYNC_MS);
    for (const machine of [this.fra, this.syd]) {
      this.#readFrom(machine, iad);
      await machine.boot();
      await this.#deploy(machine);
    }
  }

  /** Until the machine answers with what was written a moment ago: its refresh brings it. */
  async untilFresh(machine: Machine): Promise<void> {
    const ask = async (url: string) => {
      const response = await fetch(`${url}/notes?last=1000000`, { headers: { Host: "notes.localhost" } });
      return new Set((await response.json()) as string[]);
    };
    const written = await ask(this.#writer.url);
    await until(`${machine.name} is fresh`, async () => written.isSubsetOf(await ask(machine.url)));
  }

  /** A version made from the configuration of now; the one before goes. */
  async #deploy(machine: Machine): Promise<void> {
    this.#refreshes += 1;
    await machine.ten("deploy", "notes", "--version", `c${this.#refreshes}`, "--promote", "--stop-old");
  }

  /** The writing region is gone, with its disk. */
  async loseWriter(): Promise<void> {
    this.#replication?.kill("SIGKILL");
    await this.#writer.crash();
  }

  /** The last copy becomes the database of another machine, which writes from now on. */
  async promote(machine: Machine): Promise<void> {
    const config = configure(machine, this.#bucket);
    const restored = () => restore(this.#stage, machine, config).then(yes, no);
    await until("the last copy is there", restored);
    machine.configure(undefined, WRITING_ENV);
    await machine.ten("reload");
    await machine.ten("deploy", "notes", "--version", "v1", "--promote", "--stop-old");
    this.#replication = replicate(this.#stage, machine, config);
    this.#writer = machine;
  }

  /** A reading machine fetches what the writer of now has written. */
  async follow(machine: Machine): Promise<void> {
    await Bun.sleep(2 * SYNC_MS);
    this.#readFrom(machine, this.#writer);
    await machine.ten("reload");
    await this.#deploy(machine);
  }

  #readFrom(machine: Machine, writer: Machine): void {
    machine.configure(readingService(writer, configure(writer, this.#bucket)), READING_ENV);
  }
}

const yes = () => true;
const no = () => false;
