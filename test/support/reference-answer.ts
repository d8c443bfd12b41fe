// A second reader of HTTP/1.1 answers, slow and obvious, against which the fast one is checked.

export type ReferenceAnswer =
  | { readonly kind: "garbage" }
  | { readonly kind: "partial" }
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly fields: readonly (readonly [string, string])[];
      /** As much of the body as there was. */
      readonly body: string;
      readonly isWhole: boolean;
      readonly hasSurplus: boolean;
      /** Framing went wrong somewhere in the body: what came before it had been handed out. */
      readonly isGarbled: boolean;
    };

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const FIELD_TEXT = /^[\t\x20-\x7e\x80-\xff]*$/;
const STATUS_LINE = /^HTTP\/1\.([01]) +([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/;
const GARBAGE = { kind: "garbage" } as const;

/** Reads everything that a target has sent in answer to one request; `text` has one character a byte. */
export function referenceAnswer(text: string, method: string): ReferenceAnswer {
  if (!"HTTP/1.".startsWith(text.slice(0, 7))) return GARBAGE;
  // The first line says how lines end: with a bare line feed they may, where an old program writes them.
  const isBare = /^[^\n]*(?<!\r)\n/.test(text);
  const ending = (isBare ? /\n\r?\n/ : /\r\n\r\n/).exec(text);
  if (ending === null) return { kind: "partial" };
  const [statusLine = "", ...lines] = text.slice(0, ending.index).split(/\r?\n/);
  const last = lines.length > 0 ? lines.length - 1 : 0;
  if (isBare && lines[last] !== undefined) lines[last] = lines[last].replace(/\r$/, "");
  const rest = text.slice(ending.index + ending[0].length);
  const [, minor, digits] = STATUS_LINE.exec(statusLine) ?? [];
  if (digits === undefined) return GARBAGE;
  const fields: [string, string][] = [];
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 0 || !TOKEN.test(line.slice(0, colon)) || !FIELD_TEXT.test(line.slice(colon + 1)))
      return GARBAGE;
    fields.push([line.slice(0, colon).toLowerCase(), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "")]);
  }
  const status = Number(digits);
  const all = (name: string) =>
    fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
  const lengths = all("content-length").flatMap((value) => value.split(",").map((part) => part.trim()));
  const codings = all("transfer-encoding");
  if (status === 101 || isAmbiguous(all("content-length"), codings, minor)) return GARBAGE;
  if (status < 200) return referenceAnswer(rest, method);
  const named = all("connection").flatMap((value) =>
    value
      .toLowerCase()
      .split(",")
      .map((part) => part.trim()),
  );
  const hop = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "te",
    "transfer-encoding",
    ...(status === 426 ? [] : ["upgrade"]),
  ];
  let hadLength = false;
  const kept = fields.flatMap(([name, value]): [string, string][] => {
    const key = name.toLowerCase();
    if (key === "content-length") {
      const first = !hadLength;
      hadLength = true;
      return first ? [[name, String(Number(value.split(",")[0]))]] : [];
    }
    const isNamed = named.includes(key) && key !== "close" && key !== "keep-alive";
    return hop.includes(key) || isNamed ? [] : [[name, value]];
  });
  const body = readBody(rest, method, status, codings.length > 0, lengths[0]);
  return { kind: "answer", status, fields: kept, ...body };
}

/** Whether two readers could find the end of the body in two places. */
function isAmbiguous(lengthFields: readonly string[], codings: readonly string[], minor: string | undefined) {
  const lists = lengthFields.map((value) => value.split(",").map((part) => part.trim()));
  const lengths = lists.flat();
  return (
    lists.some((list) => new Set(list).size > 1) ||
    lengths.some((length) => !/^\d{1,15}$/.test(length) || Number(length) !== Number(lengths[0])) ||
    codings.length > 1 ||
    codings.some((coding) => coding.toLowerCase() !== "chunked") ||
    (codings.length > 0 && (lengths.length > 0 || minor === "0"))
  );
}

function readBody(
  rest: string,
  method: string,
  status: number,
  isChunked: boolean,
  length: string | undefined,
) {
  const bare = { isWhole: true, hasSurplus: rest !== "", isGarbled: false };
  if (method === "HEAD" || status === 204 || status === 304) return { body: "", ...bare };
  if (isChunked) return readChunks(rest);
  if (length === undefined) return { body: rest, isWhole: false, hasSurplus: false, isGarbled: false };
  const bytes = Number(length);
  const isWhole = rest.length >= bytes;
  return { body: rest.slice(0, bytes), isWhole, hasSurplus: rest.length > bytes, isGarbled: false };
}

function readChunks(text: string) {
  let rest = text;
  let body = "";
  const broken = { isWhole: false, hasSurplus: false };
  for (;;) {
    const line = /^([0-9a-f]{1,13})[ \t]*(;[\t\x20-\x7e\x80-\xff]*)?\r\n/i.exec(rest);
    if (line === null) {
      const isBegun = /^(?:[0-9a-f]{1,13}[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r?)?$/i.test(rest);
      return { body, ...broken, isGarbled: !isBegun };
    }
    const size = Number.parseInt(line[1] ?? "", 16);
    rest = rest.slice(line[0].length);
    if (size === 0) break;
    body += rest.slice(0, size);
    const behind = rest.slice(size);
    if (!behind.startsWith("\r\n")) return { body, ...broken, isGarbled: !"\r\n".startsWith(behind) };
    rest = behind.slice(2);
  }
  for (;;) {
    if (rest.startsWith("\r\n"))
      return { body, isWhole: true, hasSurplus: rest.length > 2, isGarbled: false };
    const trailer = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n/.exec(rest);
    if (trailer === null)
      return {
        body,
        ...broken,
        isGarbled: !/^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?::[\t\x20-\x7e\x80-\xff]*\r?)?|\r)?$/.test(rest),
      };
    rest = rest.slice(trailer[0].length);
  }
}
