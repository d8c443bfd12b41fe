// Header fields as a proxy treats them: what ends at each hop, what is added on the way, and whether a request runs in a circle.

/** One field, as in `Fields` of the proxy. */
export type Field = readonly [name: string, value: string];

/** What a request's fields say to the proxies it passes; all others simply go on. Values as they came. */
export class Said {
  readonly goingOn: Field[] = [];
  host: string | undefined;
  /** The value of the field that names the route. */
  selector: string | undefined;
  connection: string | undefined;
  upgrade: string | undefined;
  contentLength: string | undefined;
  transferEncoding: string | undefined;
  via: string | undefined;
  forwarded: string | undefined;
  forwardedFor: string | undefined;
  forwardedProto: string | undefined;
  forwardedHost: string | undefined;
  requestId: string | undefined;
}

/**
 * Reads fields with lower-case names in one pass. `selector` is the name, in lower case, of the field that names the
 * route. What concerns one connection only (RFC 9110 section 7.6.1), and what the next hop frames anew, does not go on;
 * nor does the expectation, which the listener has answered itself.
 */
export function readFields(from: Iterable<Field>, selector: string | undefined): Said {
  const said = new Said();
  for (const field of from) {
    const [name, value] = field;
    switch (name) {
      case "host":
        said.host = value;
        said.goingOn.push(field);
        break;
      case "connection":
        said.connection = value;
        break;
      case "upgrade":
        said.upgrade = value;
        break;
      case "content-length":
        said.contentLength = value;
        break;
      case "transfer-encoding":
        said.transferEncoding = value;
        break;
      case "via":
        said.via = value;
        break;
      case "forwarded":
        said.forwarded = value;
        break;
      case "x-forwarded-for":
        said.forwardedFor = value;
        break;
      case "x-forwarded-proto":
        said.forwardedProto = value;
        break;
      case "x-forwarded-host":
        said.forwardedHost = value;
        break;
      case "x-request-id":
        said.requestId = value;
        break;
      case "keep-alive":
      case "proxy-connection":
      case "proxy-authenticate":
      case "proxy-authorization":
      case "te":
      case "trailer":
      case "expect":
        break;
      default:
        if (name === selector) said.selector = value;
        else said.goingOn.push(field);
    }
  }
  return said;
}

/** What is known about a request besides its own fields. */
export interface Arrival {
  /** The address of the peer, and whether what it says about its own visitors counts. */
  readonly peer: string;
  readonly peerTrusted: boolean;
  readonly scheme: "http" | "https";
  /** This proxy's own name in `Via`, unlike any other's. */
  readonly viaName: string;
  /** A fresh id for a request that brings none. */
  newId(): string;
}

/**
 * The fields of a request as they go on. Undefined when the request has already passed here twice. What Connection names
 * goes first, so that no client can strip what is added here. Takes over `said.goingOn`.
 */
export function requestFields(said: Said, arrival: Arrival): Field[] | undefined {
  const { via, connection } = said;
  const { peer, viaName } = arrival;
  if (via !== undefined && occursTwice(via, viaName)) return undefined;

  const kept = connection === undefined ? said.goingOn : withoutNamed(said.goingOn, connection);
  const claims = arrival.peerTrusted ? said : NO_CLAIMS;
  if (claims.forwarded !== undefined) kept.push(["forwarded", claims.forwarded]);
  kept.push(
    ["x-forwarded-for", claims.forwardedFor === undefined ? peer : `${claims.forwardedFor}, ${peer}`],
    ["x-forwarded-proto", claims.forwardedProto ?? arrival.scheme],
    ["x-forwarded-host", claims.forwardedHost ?? said.host ?? ""],
    ["x-request-id", claims.requestId ?? arrival.newId()],
    ["via", via === undefined ? `1.1 ${viaName}` : `${via}, 1.1 ${viaName}`],
  );
  return kept;
}

const NO_CLAIMS = new Said();

function withoutNamed(fields: Field[], connection: string): Field[] {
  if (connection === "keep-alive" || connection === "close") return fields;
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
 * The fields of an answer as they go on, from fields with lower-case names. `reserved` are those that only the proxy itself
 * may set; Content-Length stays only where `keepLength`: elsewhere the listener frames the body anew.
 */
export function answerFields(
  from: readonly Field[],
  reserved: ReadonlySet<string>,
  keepLength: boolean,
): Field[] {
  const fields: Field[] = [];
  for (const field of from) {
    const name = field[0];
    if (!reserved.has(name) && (keepLength || name !== "content-length")) fields.push(field);
  }
  return fields;
}
