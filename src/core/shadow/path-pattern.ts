// The pattern of a path: what names one thing among many is folded, so that requests for the same kind of thing stand together.

/** Deeper paths end in `/...`. */
const MOST_SEGMENTS = 8;
const MOST_LENGTH = 40;
const NUMBER = /^\d+$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const HEX = /^(?=.*\d)[0-9a-f]{8,}$/i;
/** ULIDs, hashes in base64, tokens: long, of letters and digits. */
const TOKEN = /^(?=.*\d)(?=.*[a-z])[\w-]{16,}$/i;
const DATE = /^\d{4}-\d{2}(-\d{2})?$/;
const NUMBERED = /^([a-z][a-z_-]*?)[-_]?\d+$/i;
const VERSION = /^v\d{1,3}$/i;

/** `/orders/1234/items?page=2` is `/orders/:id/items`. */
export function patternOf(path: string): string {
  const end = path.search(/[?#]/);
  const segments = (end < 0 ? path : path.slice(0, end)).split("/").slice(1);
  const kept = segments.slice(0, MOST_SEGMENTS).map(fold);
  return `/${kept.join("/")}${segments.length > MOST_SEGMENTS ? "/..." : ""}`;
}

/** One name, of a path or of a JSON object that is used as a map. */
export function fold(name: string): string {
  if (name === "" || VERSION.test(name)) return name;
  if (NUMBER.test(name) || UUID.test(name) || HEX.test(name) || DATE.test(name)) return ":id";
  if (TOKEN.test(name) || name.includes("@") || name.includes("%40")) return ":id";
  const numbered = NUMBERED.exec(name);
  if (numbered !== null) return `${numbered[1]}-:id`;
  return name.length > MOST_LENGTH ? `${name.slice(0, MOST_LENGTH)}...` : name;
}
