// What an authority, or the way to it, answered instead of a certificate; with what it means for the next try.
import { visible } from "../../core/visible.ts";

const TYPE = /^urn:ietf:params:acme:error:(\w+)$/;
const DETAIL_MOST_CHARS = 400;
/** Errors of the authority's own, where another one may have what is wanted (RFC 8555 section 6.7). */
const THEIRS = new Set(["rateLimited", "externalAccountRequired", "unsupportedIdentifier"]);

export interface ProblemFacts {
  /** The last part of the type's URN, `unreachable` for what never answered, `garbage` for what is no ACME. */
  readonly type: string;
  readonly detail: string;
  readonly status?: number | undefined;
  /** How long it wants to be left alone. */
  readonly retryAfterMs?: number | undefined;
}

/** The message is a sentence for the operator; what it quotes of foreign text is short and printable. */
export class AcmeProblem extends Error {
  override readonly name = "AcmeProblem";
  readonly type: string;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(authority: string, { type, detail, status, retryAfterMs }: ProblemFacts) {
    const short = visible(detail).slice(0, DETAIL_MOST_CHARS);
    super(`${authority}: ${short || "no reason given"}${type === "unreachable" ? "" : ` (${type})`}`);
    this.type = type;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether it is out of order as a whole, or the way to it is. */
  get isDown(): boolean {
    return this.type === "unreachable" || this.type === "serverInternal" || (this.status ?? 0) >= 500;
  }

  /** Whether another authority may do what this one does not. */
  get isTheirs(): boolean {
    return THEIRS.has(this.type) || this.isDown;
  }
}

/** Reads a problem document (RFC 7807), its sub-problems included; anything else is what its status says. */
export function problemFacts(body: unknown, status: number, retryAfterMs: number | undefined): ProblemFacts {
  const { type, detail, subproblems } = (typeof body === "object" && body !== null ? body : {}) as Record<
    string,
    unknown
  >;
  const known = typeof type === "string" ? TYPE.exec(type)?.[1] : undefined;
  const details = [detail, ...(Array.isArray(subproblems) ? subproblems.map((one) => one?.detail) : [])];
  const text = details.filter((one) => typeof one === "string").join("; ");
  return { type: known ?? `HTTP ${status}`, detail: text, status, retryAfterMs };
}
