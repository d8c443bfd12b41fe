// Which fields of a request matter, which go on, and whose they are to say.
import { CLAIMS, isClaim, WRITTEN } from "./claims.ts";
import { FieldNames } from "./field-names.ts";

/** The numbers of the fields that matter. */
export const FIELD = {
  HOST: 1,
  CONNECTION: 2,
  LENGTH: 3,
  CODING: 4,
  VIA: 5,
  EXPECT: 6,
  ACCEPT: 7,
  UPGRADE: 8,
  SELECTOR: 9,
  PASSED: 10,
  REAL_IP: 11,
  REQUEST_ID: 12,
  FORWARDED_FOR: 13,
  FORWARDED_HOST: 14,
  FORWARDED_PROTO: 15,
  TRACEPARENT: 17,
  TRACESTATE: 18,
  /** Goes no further, and says nothing to us. */
  DROPPED: 16,
} as const;

const ALWAYS: readonly (readonly [string, number])[] = [
  ["host", FIELD.HOST],
  ["connection", FIELD.CONNECTION],
  ["content-length", FIELD.LENGTH],
  ["transfer-encoding", FIELD.CODING],
  ["via", FIELD.VIA],
  ["expect", FIELD.EXPECT],
  ["accept", FIELD.ACCEPT],
  ["upgrade", FIELD.UPGRADE],
  ["traceparent", FIELD.TRACEPARENT],
  ["tracestate", FIELD.TRACESTATE],
  // Trailers pass whether they are asked for or not.
  ["te", FIELD.DROPPED],
  ["keep-alive", FIELD.DROPPED],
  ["proxy-connection", FIELD.DROPPED],
  ["proxy-authorization", FIELD.DROPPED],
];
/** The claims that are always written anew. */
const READ: readonly (readonly [string, number])[] = [
  ["x-real-ip", FIELD.REAL_IP],
  ["x-request-id", FIELD.REQUEST_ID],
  ["x-forwarded-for", FIELD.FORWARDED_FOR],
  ["x-forwarded-host", FIELD.FORWARDED_HOST],
  ["x-forwarded-proto", FIELD.FORWARDED_PROTO],
];

interface RuleOptions {
  /** In lower case, the name of the field that says for whom a request is: it never goes on. */
  readonly selector?: string | undefined;
  /** In lower case, the name of the field that says whom a request has passed; it is written anew. */
  readonly passed: string;
  /** Fields that are set on the way, in lower case. */
  readonly overwritten: readonly string[];
  /**
   * What the peer's claims about a client, a scheme or a host are worth: `none` of them goes on; `ours` are read, and written
   * anew; `theirs` go on untouched, for a program's own hosts, which judge them themselves.
   */
  readonly claims: "none" | "ours" | "theirs";
}

/** Which fields of a request go on. */
export class RequestRules {
  readonly claims: RuleOptions["claims"];
  readonly names: FieldNames;
  /** Host is set on the way. */
  readonly dropsHost: boolean;
  readonly #ours: ReadonlySet<string>;

  constructor({ selector, passed, overwritten, claims }: RuleOptions) {
    this.claims = claims;
    this.dropsHost = overwritten.includes("host");
    this.#ours = new Set([passed, ...(selector === undefined ? [] : [selector]), ...overwritten]);
    const dropped = [...overwritten, ...(claims === "none" ? CLAIMS : [])];
    this.names = new FieldNames([
      ...ALWAYS,
      ...(selector === undefined ? [] : [[selector, FIELD.SELECTOR] as const]),
      [passed, FIELD.PASSED],
      ...(claims === "theirs" ? [] : READ),
      ...dropped.map((name) => [name, FIELD.DROPPED] as const),
    ]);
  }

  /** Whether a name is one that is set, dropped or trusted here, as an app reads it that takes an underscore for `-`. */
  isOurs(name: string): boolean {
    const read = name.toLowerCase().replaceAll("_", "-");
    return isClaim(read) || WRITTEN.has(read) || this.#ours.has(read);
  }
}
