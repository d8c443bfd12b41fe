// Visitors of a set-up: they read and write all the time, and know what they were answered.

/** What visitors saw since the last look. */
export interface Seen {
  readonly requests: number;
  readonly failed: number;
  /** Of those, the ones that would have written. */
  readonly failedWrites: number;
  readonly longestMs: number;
  /** The servers that answered, with how often. */
  readonly by: Readonly<Record<string, number>>;
}

export interface Rows {
  /** Notes that the app said it has kept. */
  readonly kept: number;
  readonly lost: number;
  /** Of those, the ones that were kept longer than the copy may be behind when the machine was cut off. */
  readonly lostForNoReason: number;
  readonly twice: number;
}

const READERS = 4;
const WRITERS = 2;
const PAUSE_MS = 15;
const PATIENCE_MS = 60_000;

export class Visitors implements AsyncDisposable {
  readonly #addresses: readonly string[];
  readonly #host: string;
  /** With the moment at which the app said so. */
  readonly #kept = new Map<string, number>();
  #cutMs = Number.POSITIVE_INFINITY;
  readonly #coming: Promise<unknown>;
  #isOver = false;
  #seen = nothing();

  /** `addresses` are those that the host's name leads to: as browsers do, the next is tried where nobody listens. */
  constructor(addresses: readonly string[], host: string) {
    this.#addresses = addresses;
    this.#host = host;
    const readers = Array.from({ length: READERS }, () => this.#read());
    const writers = Array.from({ length: WRITERS }, (_, writer) => this.#write(writer));
    this.#coming = Promise.all([...readers, ...writers]);
  }

  /** What was seen since this was asked last. */
  look(): Seen {
    const seen = this.#seen;
    this.#seen = nothing();
    return seen;
  }

  /** Goes on until so many more requests have been answered. */
  async more(count: number): Promise<void> {
    const from = this.#seen.requests;
    const late = performance.now() + PATIENCE_MS;
    while (this.#seen.requests < from + count && performance.now() < late) await Bun.sleep(PAUSE_MS);
  }

  async leave(): Promise<void> {
    this.#isOver = true;
    await this.#coming;
  }

  /** From here on what the writing machine has not passed on is lost with it. */
  cutOff(): void {
    this.#cutMs = performance.now();
  }

  /** What became of the notes, once nobody comes any more; `behindMs`: how far behind a copy may be. */
  async rows(behindMs: number): Promise<Rows> {
    const there = JSON.parse((await this.#ask("/notes?last=1000000")).body) as string[];
    const times = new Map<string, number>();
    for (const text of there) times.set(text, (times.get(text) ?? 0) + 1);
    const lost = [...this.#kept].filter(([text]) => !times.has(text));
    return {
      kept: this.#kept.size,
      lost: lost.length,
      lostForNoReason: lost.filter(([, atMs]) => atMs < this.#cutMs - behindMs).length,
      twice: [...times.values()].filter((count) => count > 1).length,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.leave();
  }

  async #read(): Promise<void> {
    for (; !this.#isOver; await Bun.sleep(PAUSE_MS)) await this.#ask("/notes?last=5");
  }

  async #write(writer: number): Promise<void> {
    for (let turn = 0; !this.#isOver; turn += 1) {
      const text = `note ${writer}-${turn}`;
      const { status } = await this.#ask("/notes", { method: "POST", body: text });
      if (status === 201) this.#kept.set(text, performance.now());
      await Bun.sleep(2 * PAUSE_MS);
    }
  }

  async #ask(
    path: string,
    init: RequestInit = {},
  ): Promise<{ readonly status: number; readonly body: string }> {
    const began = performance.now();
    const { status, body, server } = await this.#fetch(path, init);
    const seen = this.#seen;
    seen.requests += 1;
    if (status < 200 || status >= 300) {
      seen.failed += 1;
      if (init.method === "POST") seen.failedWrites += 1;
    }
    seen.longestMs = Math.max(seen.longestMs, Math.round(performance.now() - began));
    if (server !== null) seen.by[server] = (seen.by[server] ?? 0) + 1;
    return { status, body };
  }

  async #fetch(path: string, init: RequestInit) {
    for (const address of this.#addresses)
      try {
        const headers = { Host: this.#host };
        const response = await fetch(`${address}${path}`, { ...init, headers, proxy: false } as RequestInit);
        return {
          status: response.status,
          body: await response.text(),
          server: response.headers.get("x-slum-server"),
        };
      } catch (thrown) {
        // Only where nobody listens: what was sent may have been done.
        if (!/refused/i.test(String((thrown as { code?: unknown }).code))) break;
      }
    return { status: 0, body: "", server: null };
  }
}

function nothing() {
  return { requests: 0, failed: 0, failedWrites: 0, longestMs: 0, by: {} as Record<string, number> };
}
