// Shadow traffic: copies of requests whose visitors have their answers already, one to each of two versions; what they answer is thrown away.

import type { Shadow, Target } from "../../core/route.ts";
import type { RouteTable } from "../../core/route-table.ts";
import type { CopyAnswer } from "../../core/shadow/compare.ts";
import { shapeOf } from "../../core/shadow/json-shape.ts";
import { patternOf } from "../../core/shadow/path-pattern.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Fields, UpstreamRequest, UpstreamResponse } from "../http-client.ts";
import type { ShadowCounters } from "../shadow-counters.ts";
import type { PooledUpstream } from "../upstream/upstream.ts";
import type { RequestState } from "./request-state.ts";

/** Pairs under way, of all routes together: what is drawn beyond them is not copied. */
const MOST_PAIRS = 8;
/** More of a body is not read. */
const MOST_BYTES = 1 << 20;
/** Longer JSON is not taken apart: that would keep visitors waiting. */
const MOST_JSON_BYTES = 65_536;
const CONNECT_MS = 2_000;
/** A copy that takes longer is given up as one without an answer. */
const MOST_MS = 30_000;
const HEAD_BYTES = 131_072;

/** Who the visitor is; what makes an answer depend on an earlier one; how it is packed. */
const LEFT_OUT = new Set(["if-none-match", "if-modified-since", "if-range", "range", "accept-encoding"]);
const WHO = new Set(["cookie", "authorization"]);

interface ShadowParts {
  readonly clock: Clock;
  readonly upstream: PooledUpstream;
  readonly counters: ShadowCounters;
  /** The field that marks a copy. */
  readonly field: string;
  table(): RouteTable;
}

interface Pair {
  readonly route: string;
  readonly shadow: Shadow;
  readonly canary: Target;
  readonly stable: Target;
}

export class ShadowCopies {
  readonly #parts: ShadowParts;
  readonly #scratch = Buffer.allocUnsafeSlow(HEAD_BYTES);
  readonly #asking = new Set<AbortController>();
  #isClosed = false;
  #underWay = 0;

  constructor(parts: ShadowParts) {
    this.#parts = parts;
  }

  /**
   * A visitor has the last byte of its answer. Copies what changes nothing, if it is drawn: never what somebody named a
   * target for, nor streams, nor who only watches.
   */
  offer(visit: RequestState, shadow: Shadow): void {
    const { method, route, label, body } = visit;
    if (method !== "GET" && method !== "HEAD") return;
    if (label !== undefined || visit.isCheck || !body.isEmpty) return;
    if (visit.asksUpgrade || visit.wantsEvents) return;
    if (Math.random() >= shadow.sample || this.#isClosed) return;
    const [canary, stable] = [readyOf(route.targets, shadow.to), readyOf(route.targets, shadow.from)];
    if (canary === undefined || stable === undefined) return;
    const { name } = route;
    if (this.#underWay >= MOST_PAIRS) {
      this.#parts.counters.skipped(name, shadow.run);
      return;
    }
    const request = { method, path: visit.head.path, fields: this.#fieldsOf(visit, shadow), body: null };
    this.#underWay += 1;
    void this.#run({ route: name, shadow, canary, stable }, request).finally(() => {
      this.#underWay -= 1;
    });
  }

  /** What is under way is given up and counts for nobody. */
  close(): void {
    this.#isClosed = true;
    for (const patience of this.#asking) patience.abort();
  }

  async #run(pair: Pair, request: UpstreamRequest): Promise<void> {
    // Who comes second finds warm caches, so that the order is drawn.
    const isCanaryFirst = Math.random() < 0.5;
    const first = await this.#ask(isCanaryFirst ? pair.canary : pair.stable, request);
    const second = await this.#ask(isCanaryFirst ? pair.stable : pair.canary, request);
    if (!this.#holds(pair)) return;
    const [canary, stable] = isCanaryFirst ? [first, second] : [second, first];
    const pattern = `${request.method} ${patternOf(request.path)}`;
    this.#parts.counters.pair(pair.route, pair.shadow.run, pattern, stable, canary);
  }

  /** Whether both are still what they were: one that is stopped or started again fails for no fault of its code. */
  #holds({ route, shadow, canary, stable }: Pair): boolean {
    if (this.#isClosed) return false;
    const now = this.#parts.table().routes.get(route);
    if (now?.route.shadow?.run !== shadow.run) return false;
    return [canary, stable].every(({ label, address: { host, port } }) => {
      const target = now.targets.get(label);
      return target?.readiness === "ready" && target.address.host === host && target.address.port === port;
    });
  }

  async #ask({ address }: Target, request: UpstreamRequest): Promise<CopyAnswer> {
    const { clock, upstream } = this.#parts;
    const beganMs = clock.monotonic();
    const patience = new AbortController();
    const cancel = clock.after(MOST_MS, () => patience.abort());
    this.#asking.add(patience);
    try {
      const answer = await upstream.send(address, request, {
        connectTimeoutMs: CONNECT_MS,
        requestTimeoutMs: MOST_MS,
        streamIdleTimeoutMs: MOST_MS,
        signal: () => patience.signal,
        onEnd() {},
      });
      const ms = clock.monotonic() - beganMs;
      const type = typeOf(answer);
      const { bytes, kept } = await read(answer, isJson(type));
      return {
        status: answer.status,
        type,
        bytes,
        shape: kept === undefined ? undefined : shapeOf(kept),
        ms,
      };
    } catch {
      return { status: 0, type: "", bytes: undefined, shape: undefined, ms: clock.monotonic() - beganMs };
    } finally {
      cancel();
      this.#asking.delete(patience);
    }
  }

  /** As the visitor's own request had them, but for what is left out and for the mark. */
  #fieldsOf({ head, added }: RequestState, { withCookies }: Shadow): Fields {
    const end = head.write(this.#scratch, 0);
    const text = this.#scratch.latin1Slice(0, end) + added;
    const fields: (readonly [string, string])[] = [[this.#parts.field, "1"]];
    for (const line of text.split("\r\n").slice(1)) {
      const colon = line.indexOf(":");
      if (colon <= 0) continue;
      const name = line.slice(0, colon).toLowerCase();
      if (!LEFT_OUT.has(name) && (withCookies || !WHO.has(name)))
        fields.push([name, line.slice(colon + 1).trim()]);
    }
    return fields;
  }
}

function readyOf(targets: readonly Target[], labels: readonly string[]): Target | undefined {
  const ready = targets.filter(({ label, readiness }) => readiness === "ready" && labels.includes(label));
  return ready[Math.floor(Math.random() * ready.length)];
}

function fieldOf({ fields }: UpstreamResponse, name: string): string | undefined {
  return fields.find(([one]) => one === name)?.[1];
}

function typeOf(answer: UpstreamResponse): string {
  return (fieldOf(answer, "content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}

function isJson(type: string): boolean {
  return type === "application/json" || type.endsWith("+json");
}

/** Its length, as far as it is read; the text of JSON that is not too long. */
async function read(
  answer: UpstreamResponse,
  isKept: boolean,
): Promise<{ readonly bytes: number | undefined; readonly kept: string | undefined }> {
  const { body } = answer;
  if (body === null) {
    const said = Number(fieldOf(answer, "content-length") ?? 0);
    return { bytes: Number.isSafeInteger(said) ? said : undefined, kept: undefined };
  }
  if (body instanceof Uint8Array) {
    const isShort = isKept && body.byteLength <= MOST_JSON_BYTES;
    return { bytes: body.byteLength, kept: isShort ? Buffer.from(body).toString("utf8") : undefined };
  }
  const parts: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop cancels the stream.
  for await (const part of body) {
    bytes += part.byteLength;
    if (bytes > MOST_BYTES) return { bytes: undefined, kept: undefined };
    if (isKept && bytes <= MOST_JSON_BYTES) parts.push(part.slice());
  }
  const isShort = isKept && bytes <= MOST_JSON_BYTES;
  return { bytes, kept: isShort ? Buffer.concat(parts).toString("utf8") : undefined };
}
