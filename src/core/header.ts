// Header fields as a proxy treats them: what ends at each hop, what is added on the way, and whether a request runs in a circle.

/** One field, as in `Fields` of the proxy. */
export type Field = readonly [name: string, value: string];

/** What is known about a request besides its own fields. */
export interface Arrival {
  /** The address of the peer, and whether what it says about its own visitors counts. */
  readonly peer: string;
  readonly peerTrusted: boolean;
  readonly host: string;
  readonly scheme: "http" | "https";
  /** This proxy's own name in `Via`, unlike any other's. */
  readonly viaName: string;
  /** The field that named the route, lower case: it has done its work. */
  readonly selector: string | undefined;
  /** A fresh id for a request that brings none. */
  newId(): string;
}

/**
 * The fields of a request as they go on, from fields with lower-case names. Undefined when the request has already
 * passed here twice. Connection's own names go first, so that no client can strip what is added here.
 */
export function requestFields(from: Iterable<Field>, arrival: Arrival): Field[] | undefined {
  const fields: Field[] = [];
  const said: Partial<Record<RequestRole, string>> = {};
  for (const field of from) {
    const role = REQUEST_ROLE.get(field[0]);
    if (role !== undefined) said[role] = field[1];
    else if (field[0] !== arrival.selector) fields.push(field);
  }
  if (said.via !== undefined && occursTwice(said.via, arrival.viaName)) return undefined;

  const kept = said.connection === undefined ? fields : withoutNamed(fields, said.connection);
  const claims = arrival.peerTrusted ? said : NO_CLAIMS;
  if (claims.forwarded !== undefined) kept.push(["forwarded", claims.forwarded]);
  kept.push(
    ["x-forwarded-for", claims.for === undefined ? arrival.peer : `${claims.for}, ${arrival.peer}`],
    ["x-forwarded-proto", claims.proto ?? arrival.scheme],
    ["x-forwarded-host", claims.host ?? arrival.host],
    ["x-request-id", claims.id ?? arrival.newId()],
    ["via", said.via === undefined ? `1.1 ${arrival.viaName}` : `${said.via}, 1.1 ${arrival.viaName}`],
  );
  return kept;
}

type RequestRole = "drop" | "connection" | "via" | "for" | "proto" | "host" | "id" | "forwarded";

const NO_CLAIMS: Partial<Record<RequestRole, string>> = {};

/** Whatever is not listed goes on as it came. */
const REQUEST_ROLE: ReadonlyMap<string, RequestRole> = new Map<string, RequestRole>([
  // What concerns one connection only (RFC 9110 section 7.6.1), and what the next hop frames anew.
  ["connection", "connection"],
  ["keep-alive", "drop"],
  ["proxy-connection", "drop"],
  ["proxy-authenticate", "drop"],
  ["proxy-authorization", "drop"],
  ["te", "drop"],
  ["trailer", "drop"],
  ["transfer-encoding", "drop"],
  ["upgrade", "drop"],
  ["content-length", "drop"],
  // The listener has answered the expectation itself.
  ["expect", "drop"],
  ["via", "via"],
  ["x-forwarded-for", "for"],
  ["x-forwarded-proto", "proto"],
  ["x-forwarded-host", "host"],
  ["x-request-id", "id"],
  ["forwarded", "forwarded"],
]);

function withoutNamed(fields: Field[], connection: string): Field[] {
  const named = new Set(connection.split(",").map((name) => name.trim().toLowerCase()));
  // Nearly always it says only this, which names no field; and Host is no hop's to take away.
  for (const name of ["keep-alive", "close", "host"]) named.delete(name);
  return named.size === 0 ? fields : fields.filter(([name]) => !named.has(name));
}

function occursTwice(value: string, part: string): boolean {
  const first = value.indexOf(part);
  return first >= 0 && value.includes(part, first + part.length);
}

/**
 * The fields of an answer as they go on. `reserved` (lower case) are those that only the proxy itself may set;
 * Content-Length stays only where `keepLength`: elsewhere the listener frames the body anew.
 */
export function answerFields(
  from: readonly Field[],
  reserved: ReadonlySet<string>,
  keepLength: boolean,
): [string, string][] {
  const fields: [string, string][] = [];
  for (const [name, value] of from) {
    const lower = name.toLowerCase();
    if (reserved.has(lower) || (lower === "content-length" && !keepLength)) continue;
    fields.push([name, value]);
  }
  return fields;
}
