// Names that come from outside: services, labels (ids, versions), `service:id`, and the hosts that carry them.
import { Fault } from "./fault.ts";
import { quote } from "./quote.ts";

const SERVICE = /^[a-z][a-z0-9-]{0,40}$/;
const LABEL = /^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$/;
const RESERVED = new Set(["ten", "slum"]);
const LABEL_MAX_CHARS = 63;

/** One instance, `api:v2`: the service and the id, both checked. */
export interface InstanceName {
  readonly service: string;
  readonly id: string;
}

export function isService(text: string): boolean {
  return SERVICE.test(text) && !RESERVED.has(text);
}

/** Whether a text may be an id or a version: labels joined by single dots, 63 characters in all. */
export function isLabel(text: string): boolean {
  return text.length <= LABEL_MAX_CHARS && text.split(".").every((part) => LABEL.test(part));
}

/** The service, or a usage fault that names the allowed characters. */
export function parseService(text: string, what = "service"): string {
  if (isService(text)) return text;
  const lower = text.toLowerCase();
  if (RESERVED.has(lower))
    throw new Fault("usage", `${what} ${quote(text)} is reserved`, "choose another name");
  throw bad(text, what, isService(lower), "a-z first, then a-z, 0-9 and -, at most 41 characters");
}

/** The id or version, or a usage fault that names the allowed characters. */
export function parseLabel(text: string, what = "id"): string {
  if (isLabel(text)) return text;
  throw bad(
    text,
    what,
    isLabel(text.toLowerCase()),
    "a-z, 0-9, _ and - inside, single dots between labels, at most 63 characters",
  );
}

/** `api:v2` taken apart, or a usage fault. */
export function parseInstance(text: string): InstanceName {
  const colon = text.indexOf(":");
  if (colon < 0) {
    throw new Fault("usage", `${quote(text)} is not an instance`, "write service:id, for example api:v1");
  }
  return { service: parseService(text.slice(0, colon)), id: parseLabel(text.slice(colon + 1)) };
}

export function instanceName(service: string, id: string): string {
  return `${service}:${id}`;
}

function bad(text: string, what: string, lowerIsFine: boolean, allowed: string): Fault {
  const hint = lowerIsFine
    ? `names are lower case: write ${quote(text.toLowerCase())}`
    : `allowed: ${allowed}`;
  return new Fault("usage", `${what} ${quote(text)} is not a valid name`, hint);
}
