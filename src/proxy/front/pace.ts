// How long a visitor may take, and whether it is fast enough: what it sends of a body, and what it takes of an answer.

/** How long a connection may be silent between requests, and an answer go without a byte taken. */
export const IDLE_SECS = 120;
/** How long who has ended his half is kept while nothing is said to him. */
export const HALF_OPEN_SECS = 30;
/** From the first byte of a head to its last. */
export const HEAD_SECS = 10;
/** The rest of a request that nobody wants is read for so long. */
export const LINGER_SECS = 2;
/** How long a connection may take to bring its first request while the listener closes. */
export const FRESH_SECS = 1;

/** A body may be slow at first. */
const SENDING_SECS = 5;
/** So long an answer may wait until it counts how much of it was taken: kernels acknowledge in steps. */
const TAKING_SECS = 30;

/** Of a body: once it has had a while, at least as fast as it must be on the whole. */
export class SendingPace {
  #bytes = 0;
  #secs = 0;

  begin(): void {
    this.#bytes = this.#secs = 0;
  }

  came(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Called once a second while it is the visitor that is waited for. `least`: bytes a second, 0: any will do. */
  isTooSlow(least: number): boolean {
    this.#secs += 1;
    return this.#secs > SENDING_SECS && this.#bytes < least * this.#secs;
  }
}

/** What is written to a visitor, and how many bytes of it the other end has acknowledged so far. */
interface Taken {
  readonly isFlushed: boolean;
  readonly takenBytes: number;
}

/** Of an answer of which the kernel takes no more: over each half minute. */
export class TakingPace {
  #from = 0;
  #secs = 0;

  /** Called once a second. `least`: bytes a second, while something waits to be taken. */
  isTooSlow(answer: Taken, least: number): boolean {
    if (answer.isFlushed) {
      this.#secs = 0;
      return false;
    }
    const taken = answer.takenBytes;
    if (this.#secs === 0) this.#from = taken;
    this.#secs += 1;
    if (this.#secs <= TAKING_SECS) return false;
    this.#secs = 0;
    return taken - this.#from < least * TAKING_SECS;
  }
}
