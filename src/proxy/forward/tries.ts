// What all tries of one plane share, who decides about them, and how upgraded connections are sent away.
import { AnswerHead, AnswerRules } from "../../core/http1/answer-head.ts";
import { copyRun } from "../../core/http1/bytes.ts";
import type { Target } from "../../core/route.ts";
import { type Clock, sleep } from "../../platform/time/clock.ts";
import type { ProductFields, ProgramHooks } from "../data-plane.ts";
import type { FailureKind, UpstreamFailure } from "../http-client.ts";
import type { TrialTry } from "../trial-counters.ts";
import type { Connection } from "../upstream/connection.ts";
import type { Pool } from "../upstream/pool.ts";
import type { PooledUpstream } from "../upstream/upstream.ts";
import type { Load } from "./in-flight.ts";
import type { RequestState } from "./request-state.ts";
import { Tunnel } from "./tunnel.ts";

/** Who is told of targets that fail. */
export type TroubleHooks = Pick<ProgramHooks, "onTrouble">;

/** What becomes of an answer whose head is there: the visitor gets it, nobody does, or it is kept for want of a better one. */
export type Fate = "pass" | "drop" | "keep";

/** Whoever decides about a request, from try to try. */
export interface TryOwner {
  onAnswer(visit: RequestState, target: Target, load: Load, head: AnswerHead, headMs: number): Fate;
  /** Writes the head as the visitor is to have it, but for the line about its connection and the empty one. */
  writeHead(
    visit: RequestState,
    target: Target,
    load: Load,
    head: AnswerHead,
    unchunked: boolean,
    to: Buffer,
  ): number;
  /** It gave no answer that the visitor has seen anything of. */
  onFailure(visit: RequestState, target: Target, load: Load, failure: UpstreamFailure): void;
  /** The answer was not for the visitor. `kept`: its bytes, when it was to be kept and was there whole. */
  onDropped(visit: RequestState, kept: Buffer | undefined): void;
  /** All of the answer has been written to the visitor. */
  onDelivered?(visit: RequestState): void;
  /** It has waited for an answer for a sweep of the deadlines. */
  onSlow?(visit: RequestState): void;
}

/** What all tries of a plane share. */
export interface TryContext {
  readonly clock: Clock;
  readonly upstream: PooledUpstream;
  readonly hooks: TroubleHooks;
  /** Where heads and what follows them at once are put together: overwritten by each use. */
  readonly scratch: Buffer;
  /** Filled anew by each answer. */
  readonly answer: AnswerHead;
  readonly rules: AnswerRules;
  /** Upgraded connections. */
  readonly tunnels: Set<Tunnel>;
  /** An answer could not be read: why. */
  onGarbage?(targetId: string, why: string): void;
}

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
  const reserved = [fields.target, fields.attempts, fields.error].map((name) => name.toLowerCase());
  return {
    ...options,
    scratch: Buffer.allocUnsafeSlow(SCRATCH_BYTES),
    answer: new AnswerHead(),
    rules: new AnswerRules(reserved, marker),
    tunnels: new Set(),
  };
}

/** What an upgraded request goes on as. Takes over its connection and its load. */
export function openTunnel(
  { clock, tunnels }: TryContext,
  { client, head }: RequestState,
  connection: Connection,
  pool: Pool,
  load: Load,
): Tunnel {
  const isWebSocket = head.text("upgrade", head.upgrade)?.toLowerCase() === "websocket";
  const tunnel = new Tunnel(client, connection, pool, load, clock, isWebSocket, (one) => tunnels.delete(one));
  tunnels.add(tunnel);
  return tunnel;
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

/** Failures that a health check should look into at once. */
const TROUBLE: ReadonlySet<FailureKind> = new Set([
  "refused",
  "connect_timeout",
  "unresolved",
  "tls",
  "reset",
  "request_timeout",
]);

/** Books a failed try on its target, before or in the middle of its answer; not what the visitor is the reason of. */
export function blame(
  load: Load,
  trial: TrialTry | undefined,
  { kind, requestSent }: UpstreamFailure,
  hooks: TroubleHooks,
): void {
  if (kind === "aborted" || kind === "body_timeout" || (kind === "garbage" && !requestSent)) return;
  load.meter.failures += 1;
  trial?.failed(kind === "refused");
  if (TROUBLE.has(kind)) hooks.onTrouble(load.id, kind);
}

/** Writes the field that names the target, made once for each; returns the index behind it. */
export function writeTarget(load: Load, field: string, to: Buffer, at: number): number {
  load.line ??= Buffer.from(`${field}: ${load.id}\r\n`, "latin1");
  return copyRun(load.line, 0, load.line.length, to, at);
}
