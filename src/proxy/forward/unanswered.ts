// Requests to one target that got no answer at all: what tells of a target that passes its checks and serves nobody.

import { OVERDUE_MS } from "../../core/passive-health.ts";
import type { UpstreamFailure } from "../http-client.ts";
import type { Unanswered } from "../traffic-counters.ts";
import type { BodyState } from "./request-body.ts";

/** So many different clients are remembered; more would say nothing more. */
const MOST_CLIENTS = 3;
const FIRST_MS = OVERDUE_MS[0];

/** Anything that stands for one request, the same at its begin and at its end. */
export class UnansweredCounter<Request extends object> {
  readonly #clientOf: (request: Request) => string;
  /** Since when each waits, the oldest first. */
  readonly #waiting = new Map<Request, number>();
  #count = 0;
  /** Of those that failed since the last answer. */
  #clients: string[] = [];

  /** `clientOf` is asked for those that are overdue or have failed only. */
  constructor(clientOf: (request: Request) => string) {
    this.#clientOf = clientOf;
  }

  /** Its last byte has been on its way since `nowMs`, and it still waits for an answer. */
  begin(request: Request, nowMs: number): void {
    this.#waiting.set(request, nowMs);
  }

  answered(request: Request): void {
    if (this.#waiting.size > 0) this.#waiting.delete(request);
    if (this.#clients.length > 0) this.#clients = [];
  }

  /** It has ended without an answer; counted when that is the target's doing. */
  failed(request: Request, isSilence: boolean): void {
    this.#waiting.delete(request);
    if (!isSilence) return;
    this.#count += 1;
    note(this.#clients, this.#clientOf(request));
  }

  read(nowMs: number): Unanswered {
    const overdue = OVERDUE_MS.map(() => 0);
    const clients = [...this.#clients];
    for (const [request, sinceMs] of this.#waiting) {
      const ageMs = nowMs - sinceMs;
      if (ageMs < FIRST_MS) break;
      for (const [place, limitMs] of OVERDUE_MS.entries())
        if (ageMs >= limitMs) overdue[place] = (overdue[place] ?? 0) + 1;
      if (clients.length < MOST_CLIENTS) note(clients, this.#clientOf(request));
    }
    return { count: this.#count, clients: clients.map(hashOf), overdue };
  }
}

/**
 * Whether a failed try was left without an answer by its target: not when a connection had been used before and was
 * closed meanwhile, nor when the body of the request was still on its way.
 */
export function isSilence({ kind, answerBegun, reused }: UpstreamFailure, body: BodyState): boolean {
  switch (kind) {
    case "refused":
    case "connect_timeout":
    case "request_timeout":
      return true;
    case "reset":
      return !answerBegun && !reused && body === "held";
    default:
      return false;
  }
}

function note(clients: string[], client: string): void {
  if (clients.length < MOST_CLIENTS && !clients.includes(client)) clients.push(client);
}

/** Addresses are compared only, also between workers. */
function hashOf(client: string): number {
  return Bun.hash.crc32(client);
}
