// The field that carries a trace from hop to hop: W3C Trace Context, section 3.2.

export interface Trace {
  /** 32 lower-case hexadecimal digits, not all zero. */
  readonly traceId: string;
  /** Of who asks: 16 of them. */
  readonly spanId: string;
}

const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZERO_TRACE = "0".repeat(32);
const ZERO_SPAN = "0".repeat(16);

/** Undefined: it is none, or one that must not be passed on. A later version may have more behind its flags, this one not. */
export function traceOf(value: string | undefined): Trace | undefined {
  const [, version, traceId, spanId, , more] = (value !== undefined && FORM.exec(value)) || [];
  if (traceId === undefined || spanId === undefined || version === "ff") return undefined;
  if (traceId === ZERO_TRACE || spanId === ZERO_SPAN || (version === "00" && more !== undefined))
    return undefined;
  return { traceId, spanId };
}

/** A new one, sampled; the ids are random and hexadecimal. */
export function traceparent(traceId: string, spanId: string): string {
  return `00-${traceId}-${spanId}-01`;
}
