// A machine of a set-up: a `ten` with the notes service, which can crash as machines do, and be switched on again.
import { mkdirSync, writeFileSync } from "node:fs";
import { sweep } from "./guard.ts";
import type { Region } from "./network.ts";
import { type Child, type Ended, freePort, RELEASES, type Stage, TEN, until } from "./stage.ts";

export interface MachineOptions {
  /** Of the service: how it starts, and its environment. */
  readonly service?: string;
  readonly env?: string;
  /** Proxy processes beside `ten serve`: with two, nothing fails when it is killed. */
  readonly workers?: number;
  /** Where it is; on this machine's loopback unless given. */
  readonly region?: Region;
}

interface Instance {
  readonly id: string;
  readonly pid: number | null;
}

const SERVICE = `
command = "bun app.ts"
workdir = "${RELEASES}/{version}"
health = "/health"`;

export class Machine {
  readonly name: string;
  readonly port = freePort();
  readonly #stage: Stage;
  readonly #directory: string;
  readonly #region: Region | undefined;
  #server: Child | undefined;

  constructor(
    stage: Stage,
    name: string,
    { service = SERVICE, env = "", workers = 1, region }: MachineOptions,
  ) {
    this.name = name;
    this.#stage = stage;
    this.#region = region;
    this.#directory = stage.file(name);
    mkdirSync(this.#directory);
    this.configure(service, env, workers);
  }

  get url(): string {
    return `http://${this.#region?.address ?? "127.0.0.1"}:${this.port}`;
  }

  file(name: string): string {
    return `${this.#directory}/${name}`;
  }

  /** Writes tenement.toml. */
  configure(service = SERVICE, env = "", workers = 1): void {
    const settings = `[settings]\ndata_dir = "data"\nworkers = ${workers}\nhealth_check_interval = 1\nselector_from = ["127.0.0.0/8", "10.0.0.0/8"]\n`;
    const text = `${settings}\n[service.notes]${service}\n\n[service.notes.env]\nREGION = "${this.name}"\n${env}`;
    writeFileSync(this.file("tenement.toml"), text);
  }

  /** Switched on: `ten serve` begins, as systemd would begin it. */
  async boot(): Promise<void> {
    const { within = [], address = "127.0.0.1" } = this.#region ?? {};
    this.#server = this.#stage.start(
      this.name,
      [...within, TEN, "serve", "--host", address, "--port", String(this.port)],
      {},
      this.#directory,
    );
    await until(`${this.name} serves`, async () => (await this.run("ps")).exit === 0);
  }

  run(...words: string[]): Promise<Ended> {
    return this.#stage.run([TEN, ...words], {}, this.#directory);
  }

  /** A command that has to succeed. */
  async ten(...words: string[]): Promise<string> {
    const { exit, stdout, stderr } = await this.run(...words);
    if (exit !== 0)
      throw new Error(`ten ${words.join(" ")} on ${this.name} exited ${exit}: ${stderr}${stdout}`);
    return stdout;
  }

  async instances(): Promise<readonly Instance[]> {
    const { exit, stdout } = await this.run("ps", "--json");
    return exit === 0 ? (JSON.parse(stdout) as { instances: Instance[] }).instances : [];
  }

  /** kill -9 of the app alone. */
  async killApp(): Promise<void> {
    for (const { pid } of await this.instances()) if (pid !== null) process.kill(pid, "SIGKILL");
  }

  /** kill -9 of `ten serve` alone: its instances and workers stay. */
  async killTen(): Promise<void> {
    this.#server?.kill("SIGKILL");
    await this.#server?.exited;
  }

  /** The power fails: everything on it is gone at once, its disk stays. */
  async crash(): Promise<void> {
    await this.killTen();
    await sweep(this.#directory);
  }
}
