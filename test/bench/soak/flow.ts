// Bytes by the gigabyte over a raw socket, as fast as the peer takes them or held back to a rate, with one standstill on the way.
import type { Socket } from "bun";

export interface Pace {
  readonly bytesPerSecond: number;
  readonly stallMs: number;
}

export const FAST: Pace = { bytesPerSecond: Number.POSITIVE_INFINITY, stallMs: 0 };
/** About half of a gigabit line, and a standstill of five seconds. */
export const SLOW: Pace = { bytesPerSecond: 80_000_000, stallMs: 5_000 };

const BLOCK = Buffer.alloc(262_144, "x");
const STALL_AT_BYTES = 100_000_000;
const LEAST_WAIT_MS = 4;

/** How long to hold still to keep the pace. */
function createHold({ bytesPerSecond, stallMs }: Pace): (bytes: number) => number {
  const begun = performance.now();
  let total = 0;
  let stalledMs = 0;
  return (bytes) => {
    total += bytes;
    if (stalledMs === 0 && total > STALL_AT_BYTES) stalledMs = stallMs;
    return begun + stalledMs + (total / bytesPerSecond) * 1_000 - performance.now();
  };
}

/** Reads at a pace: to be called with what has come. Paused, a socket fills up and slows its peer down. */
export function createReader(socket: Pick<Socket, "pause" | "resume">, pace: Pace): (bytes: number) => void {
  const hold = createHold(pace);
  return (bytes) => {
    const waitMs = hold(bytes);
    if (waitMs < LEAST_WAIT_MS) return;
    socket.pause();
    setTimeout(() => socket.resume(), waitMs);
  };
}

export interface Writer {
  /** The socket takes bytes again. */
  drained(): void;
}

/** Writes so many bytes at a pace. */
export function createWriter(socket: Pick<Socket, "write">, total: number, pace: Pace): Writer {
  const hold = createHold(pace);
  let left = total;
  let isHolding = false;
  const run = () => {
    while (left > 0 && !isHolding) {
      const wanted = Math.min(left, BLOCK.byteLength);
      const taken = socket.write(BLOCK, 0, wanted);
      if (taken < 0) return;
      left -= taken;
      const waitMs = hold(taken);
      if (waitMs >= LEAST_WAIT_MS) {
        isHolding = true;
        setTimeout(() => {
          isHolding = false;
          run();
        }, waitMs);
      } else if (taken < wanted) return;
    }
  };
  run();
  return { drained: run };
}
