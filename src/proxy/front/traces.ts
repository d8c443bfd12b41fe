// Traces that begin here: a request that brings no valid traceparent is given one (W3C Trace Context).
import { dropNamed } from "../../core/http1/connection-field.ts";
import type { RequestHead } from "../../core/http1/request-head.ts";
import { traceOf, traceparent } from "../../core/trace-context.ts";

const POOL_BYTES = 4_080;
const TRACE_BYTES = 16;
const SPAN_BYTES = 8;
/** The second says nothing without a valid first, and is then thrown away (sections 3.3 and 4.3). */
const BOTH = ["traceparent", "tracestate"];

export class Traces {
  readonly #pool = Buffer.alloc(POOL_BYTES);
  #at = POOL_BYTES;

  /** The lines that are added to a request, and its own trace if it has none that may go on. */
  added(head: RequestHead, added: string): string {
    const { traceparent: span } = head;
    if (span.start >= 0 && traceOf(head.text("traceparent", span)) !== undefined) return added;
    if (span.start >= 0 || head.hasTracestate) dropNamed(head.bytes, head.runs, BOTH);
    return `traceparent: ${this.#make()}\r\n${added}`;
  }

  #make(): string {
    if (this.#at + TRACE_BYTES + SPAN_BYTES > POOL_BYTES) {
      crypto.getRandomValues(this.#pool);
      this.#at = 0;
    }
    const start = this.#at;
    this.#at += TRACE_BYTES + SPAN_BYTES;
    const ids = this.#pool.toString("hex", start, this.#at);
    return traceparent(ids.slice(0, 2 * TRACE_BYTES), ids.slice(2 * TRACE_BYTES));
  }
}
