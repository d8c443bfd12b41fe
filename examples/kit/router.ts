// A `slum` of a set-up: its own data directory and port, commands, and a death as sudden as a machine's.
import type { Region } from "./network.ts";
import { type Child, freePort, SLUM, type Stage, until } from "./stage.ts";

export class Router {
  readonly name: string;
  readonly port = freePort();
  readonly #stage: Stage;
  readonly #env: Readonly<Record<string, string>>;
  readonly #words: readonly string[];
  readonly #region: Region | undefined;
  #server: Child | undefined;

  constructor(
    stage: Stage,
    name: string,
    env: Readonly<Record<string, string>> = {},
    words: readonly string[] = [],
    region?: Region,
  ) {
    this.name = name;
    this.#stage = stage;
    this.#env = { SLUM_DATA_DIR: stage.file(name), ...env };
    this.#words = words;
    this.#region = region;
  }

  get url(): string {
    return `http://${this.#region?.address ?? "127.0.0.1"}:${this.port}`;
  }

  async boot(): Promise<void> {
    const { within = [], address = "127.0.0.1" } = this.#region ?? {};
    const where = ["--host", address, "--port", String(this.port)];
    const words = [...within, SLUM, "serve", ...where, "--interval", "2", ...this.#words];
    this.#server = this.#stage.start(this.name, words, this.#env);
    await until(`${this.name} serves`, async () => (await this.run("ps")).exit === 0);
  }

  run(...words: string[]) {
    return this.#stage.run([SLUM, ...words], this.#env);
  }

  /** A command that has to succeed. */
  async slum(...words: string[]): Promise<string> {
    const { exit, stdout, stderr } = await this.run(...words);
    if (exit !== 0)
      throw new Error(`slum ${words.join(" ")} on ${this.name} exited ${exit}: ${stderr}${stdout}`);
    return stdout;
  }

  async statusOf(server: string): Promise<string | undefined> {
    const { stdout } = await this.run("ps", "--json");
    const { servers } = JSON.parse(stdout) as { servers: { id: string; status: string }[] };
    return servers.find(({ id }) => id === server)?.status;
  }

  async kill(): Promise<void> {
    this.#server?.kill("SIGKILL");
    await this.#server?.exited;
  }
}
