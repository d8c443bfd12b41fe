// Messages between two processes of ours: lines of JSON over a unix socket, in order and whole, whatever pieces the kernel makes.
import type { Socket, SocketHandler } from "bun";

export interface Channel {
  /** Sends one line, which is JSON already; what the other end does not take at once is kept, and nothing is once it is closed. */
  send(line: string): void;
  /** Something sent is still kept here: the other end is slow. */
  readonly isBehind: boolean;
  /** Closes when all that was sent has been taken. */
  end(): void;
  /** Closes now. */
  terminate(): void;
}

/** What one end does with what it hears. */
export interface Listening {
  /** One message; throwing says that it is none, which ends the channel. */
  heard(message: unknown): void;
  /** Called once, however it came to that. */
  closed(): void;
}

/** A peer that takes nothing has what it deserves: no more than this is kept for it, or collected from it. */
const MOST_BYTES = 256 * 1024 * 1024;
const NEWLINE = 10;

/** Both ends run the same code: one line of the socket each. */
class Line implements Channel {
  listening: Listening | undefined;
  readonly #socket: Socket<Line>;
  #unsent: Uint8Array[] = [];
  #unsentBytes = 0;
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  #isEnding = false;
  #isClosed = false;

  constructor(socket: Socket<Line>) {
    this.#socket = socket;
  }

  get isBehind(): boolean {
    return this.#unsent.length > 0;
  }

  send(line: string): void {
    if (this.#isClosed || this.#isEnding) return;
    const bytes = Buffer.from(`${line}\n`);
    this.#unsent.push(bytes);
    this.#unsentBytes += bytes.byteLength;
    if (this.#unsentBytes > MOST_BYTES) this.terminate();
    else if (this.#unsent.length === 1) this.drain();
  }

  drain(): void {
    for (let [first] = this.#unsent; first !== undefined; [first] = this.#unsent) {
      const taken = Math.max(0, this.#socket.write(first));
      this.#unsentBytes -= taken;
      if (taken < first.byteLength) {
        this.#unsent[0] = first.subarray(taken);
        return;
      }
      this.#unsent.shift();
    }
    if (this.#isEnding) this.#socket.end();
  }

  read(bytes: Uint8Array): void {
    let from = 0;
    for (let at = bytes.indexOf(NEWLINE); at >= 0 && !this.#isClosed; at = bytes.indexOf(NEWLINE, from)) {
      const line = Buffer.concat([...this.#parts, bytes.subarray(from, at)]).toString();
      this.#parts = [];
      this.#partBytes = 0;
      from = at + 1;
      this.#deliver(line);
    }
    if (from === bytes.byteLength) return;
    // A copy: the buffer belongs to the socket.
    this.#parts.push(Uint8Array.from(bytes.subarray(from)));
    this.#partBytes += bytes.byteLength - from;
    if (this.#partBytes > MOST_BYTES) this.terminate();
  }

  #deliver(line: string): void {
    try {
      this.listening?.heard(JSON.parse(line));
    } catch {
      this.terminate();
    }
  }

  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    if (!this.isBehind) this.#socket.end();
  }

  terminate(): void {
    this.#socket.terminate();
    this.lost();
  }

  lost(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unsent = [];
    this.listening?.closed();
  }
}

const HANDLER: SocketHandler<Line> = {
  data: (socket, bytes) => socket.data.read(bytes),
  drain: (socket) => socket.data.drain(),
  end: (socket) => socket.data.terminate(),
  close: (socket) => socket.data.lost(),
  error: (socket) => socket.data.terminate(),
};

/** Rejects with what the system says when nobody listens there. */
export async function openChannel(path: string, begin: (channel: Channel) => Listening): Promise<Channel> {
  const socket = await Bun.connect<Line>({ unix: path, socket: { ...HANDLER, open: beginWith(begin) } });
  return socket.data;
}

/** Listens until disposed, which ends no channel that is open. The path must be free: see claimSocket. */
export function listenForChannels(path: string, begin: (channel: Channel) => Listening): Disposable {
  const server = Bun.listen<Line>({ unix: path, socket: { ...HANDLER, open: beginWith(begin) } });
  return { [Symbol.dispose]: () => server.stop() };
}

function beginWith(begin: (channel: Channel) => Listening) {
  return (socket: Socket<Line>) => {
    socket.data = new Line(socket);
    socket.data.listening = begin(socket.data);
  };
}
