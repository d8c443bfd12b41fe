// One kept connection that sends requests by hand and reads answers of an announced length: nothing is tried again behind our back.
import type { Socket } from "bun";

export interface Reply {
  readonly status: number;
  readonly body: string;
  readonly micros: number;
}

interface Pending {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
  readonly begun: number;
}

export class Line {
  #socket: Socket | undefined;
  #text = "";
  #pending: Pending | undefined;
  isOpen = true;

  static async open(port: number): Promise<Line> {
    const line = new Line();
    line.#socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (_, bytes) => line.#received(bytes),
        close: () => line.#closed(),
        error() {},
      },
    });
    return line;
  }

  /** One request at a time. Rejects when the connection ends before the whole answer is there. */
  ask(request: string): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject, begun: performance.now() };
      if (!this.isOpen) this.#closed();
      else this.#socket?.write(request);
    });
  }

  close(): void {
    this.#socket?.terminate();
  }

  #received(bytes: Buffer): void {
    this.#text += bytes.toString("latin1");
    const end = this.#text.indexOf("\r\n\r\n") + 4;
    const pending = this.#pending;
    if (end < 4 || pending === undefined) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#text)?.[1] ?? Number.NaN);
    if (Number.isNaN(length)) pending.reject(new Error(`no length: ${this.#text.slice(0, 200)}`));
    else if (this.#text.length < end + length) return;
    const micros = (performance.now() - pending.begun) * 1_000;
    const body = this.#text.slice(end, end + length);
    const status = Number(this.#text.slice(9, 12));
    this.#text = "";
    this.#pending = undefined;
    pending.resolve({ status, body, micros });
  }

  #closed(): void {
    this.isOpen = false;
    this.#pending?.reject(new Error(this.#text === "" ? "closed before an answer" : "cut in its answer"));
    this.#pending = undefined;
  }
}

/** What many lines saw together. */
export interface Tally {
  /** How often each status came, and each way not to get one. */
  readonly outcomes: Record<string, number>;
  /** How long each answer took, in microseconds. */
  readonly micros: number[];
}

/** Sends `count` requests over so many lines, each one after the other; a line that ended is opened anew. */
export async function crowd(port: number, lines: number, count: number, request: string): Promise<Tally> {
  const outcomes: Record<string, number> = {};
  const micros: number[] = [];
  let left = count;
  const visitor = async () => {
    let line = await Line.open(port);
    while (left-- > 0) {
      if (!line.isOpen) line = await Line.open(port);
      const outcome = await line.ask(request).then(
        (reply) => {
          micros.push(reply.micros);
          return String(reply.status);
        },
        (error: Error) => error.message,
      );
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    }
    line.close();
  };
  await Promise.all(Array.from({ length: lines }, visitor));
  return { outcomes, micros };
}

/** All that is not the one outcome that was wanted. */
export function others({ outcomes }: Tally, wanted: string): number {
  return Object.entries(outcomes).reduce((sum, [name, count]) => sum + (name === wanted ? 0 : count), 0);
}

/** The value below which so many percent of all are. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN;
}
