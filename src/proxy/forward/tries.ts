// What all tries of one plane share, and how its upgraded connections are sent away.
import { AnswerHead } from "../../core/http1/answer-head.ts";
import { type Clock, sleep } from "../../platform/time/clock.ts";
import type { ProductFields } from "../data-plane.ts";
import type { PooledUpstream } from "../upstream/upstream.ts";
import type { TroubleHooks, TryContext } from "./http-try.ts";

/** A head of 256 KB and what we add to it; more of a body goes out by itself. */
const SCRATCH_BYTES = 393_216;
/** The last WebSocket has a while to say good-bye before all ends. */
const PART_SPREAD = 0.4;

interface TriesOptions {
  readonly clock: Clock;
  readonly upstream: PooledUpstream;
  readonly hooks: TroubleHooks;
  readonly fields: ProductFields;
  /** A field of answers that is looked for, in lower case. */
  readonly marker?: string;
  onGarbage?(targetId: string, why: string): void;
}

export function createTries({ fields, marker, ...options }: TriesOptions): TryContext {
  return {
    ...options,
    scratch: Buffer.allocUnsafeSlow(SCRATCH_BYTES),
    answer: new AnswerHead(),
    rules: {
      reserved: [fields.target, fields.attempts, fields.error].map((name) => name.toLowerCase()),
      marker,
    },
    tunnels: new Set(),
  };
}

/**
 * Ends the WebSockets of one target, at addresses that get nothing new, or all of them, with 1012: evenly spread over the second
 * half of `overMs`, as many would have ended by themselves before.
 */
export async function sendAway(
  { tunnels, clock }: TryContext,
  targetId: string | undefined,
  overMs: number,
): Promise<void> {
  const isLeaving = (id: string, isRouted: boolean) =>
    targetId === undefined || (id === targetId && !isRouted);
  const leaving = [...tunnels].filter((one) => isLeaving(one.targetId, one.isRouted));
  if (leaving.length === 0) return;
  await sleep(clock, overMs / 2);
  const left = leaving.filter((one) => tunnels.has(one));
  for (const tunnel of left) {
    if (tunnels.has(tunnel)) tunnel.sendAway();
    await sleep(clock, (overMs * PART_SPREAD) / left.length);
  }
}
