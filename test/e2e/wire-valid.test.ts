// Valid requests, section by section of the RFCs: what the origin sees, and what the client gets.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Message, nameOf, readAnswers, valuesOf } from "./wire/messages.ts";
import { OK, type Proxied, startProxied } from "./wire/proxied.ts";
import { type Gets, VALID, type ValidRow } from "./wire/valid.ts";

setDefaultTimeout(30_000);

const FRAMING: ReadonlySet<string> = new Set(["content-length", "transfer-encoding"]);

let proxied: Proxied;
beforeAll(async () => {
  proxied = await startProxied();
});
afterAll(() => proxied[Symbol.asyncDispose]());

/** Fields that are not of the proxy's own, and the framing apart, as its place says nothing. */
function compared(fields: readonly string[], added: ReadonlySet<string>) {
  const own = fields.filter((field) => !added.has(nameOf(field)));
  return {
    fields: own.filter((field) => !FRAMING.has(nameOf(field))),
    framing: own.filter((field) => FRAMING.has(nameOf(field))).map((field) => field.toLowerCase()),
  };
}

test("the table has every kind", () => {
  expect(VALID.length).toBeGreaterThanOrEqual(143);
  const names = VALID.map(({ rfc, what }) => `${rfc} ${what}`);
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
});

test.each(VALID.map((row) => [`${row.rfc}: ${row.what}`, row] as const))("RFC %s", async (_, row) => {
  proxied.forget();
  proxied.answer(
    row.origin === undefined
      ? OK
      : (_request, socket) => {
          socket.write(Buffer.from(row.origin ?? "", "latin1"));
          if (/connection: close|HTTP\/1\.0/i.test(row.origin ?? "")) socket.end();
        },
  );
  const talk = await proxied.talk();
  try {
    talk.send(row.send);
    const [answer] = await talk.answers(1, [row.method]);
    if (answer === undefined) throw new Error("no answer");
    checkSeen(row, proxied.origin.requests);
    if (row.gets) checkGot(row.gets, answer);
    else checkPassed(row, answer);
  } finally {
    talk.socket.destroy();
  }
});

function checkSeen(row: ValidRow, requests: readonly Message[]): void {
  expect(requests.length).toBe(row.sees === undefined ? 0 : 1);
  const [seen] = requests;
  if (seen === undefined || row.sees === undefined) return;
  const { added } = proxied;
  const trimmed = row.sees.fields.map(
    (field) =>
      `${field.slice(0, field.indexOf(":"))}: ${field.slice(field.indexOf(":") + 1).replace(/^[ \t]+|[ \t]+$/g, "")}`,
  );
  const wanted = compared(trimmed, added.request);
  const found = compared(seen.fields, added.request);
  expect(seen.line).toBe(row.sees.line);
  expect(found.fields).toEqual(wanted.fields);
  // A length may be written anew, and 0 may be said where nothing was.
  const numbered = (framing: readonly string[]) =>
    framing
      .map((field) => field.replace(/: 0+(?=\d)/, ": "))
      .filter((field) => field !== "content-length: 0");
  expect(numbered(found.framing)).toEqual(numbered(wanted.framing));
  expect(seen.body === row.sees.body).toBe(true);
  expect(seen.trailers).toEqual(row.sees.trailers);
  for (const [name, value] of Object.entries(row.adds ?? {}))
    expect(valuesOf(seen.fields, name)).toEqual(value === undefined ? [] : [value]);
}

function checkGot(gets: Gets, answer: Message): void {
  expect(Number(answer.line.split(" ")[1])).toBe(gets.status);
  if (gets.fields) {
    const { added } = proxied;
    const found = compared(answer.fields, added.answer);
    expect(found.fields).toEqual(gets.fields.filter((field) => !FRAMING.has(nameOf(field))));
  }
  if (gets.body !== undefined) expect(answer.body).toMatch(gets.body);
  if (gets.trailers) expect(answer.trailers).toEqual(gets.trailers);
}

/** The origin's answer as it came. */
function checkPassed(row: ValidRow, answer: Message): void {
  const [wanted] = readAnswers(row.origin ?? OK, [row.method], true).messages;
  if (wanted === undefined) throw new Error("the row has no whole answer");
  const { added } = proxied;
  const found = compared(answer.fields, added.answer);
  const expected = compared(wanted.fields, added.answer);
  expect(answer.line).toBe(wanted.line);
  expect(found.fields).toEqual(expected.fields);
  // What has no length may be sent in chunks.
  if (expected.framing.length > 0) expect(found.framing).toEqual(expected.framing);
  expect(answer.body === wanted.body).toBe(true);
  expect(answer.trailers).toEqual(wanted.trailers);
  expect(answer.interim.map(({ line }) => line)).toEqual(wanted.interim.map(({ line }) => line));
  expect(answer.interim.map(({ fields }) => fields)).toEqual(wanted.interim.map(({ fields }) => fields));
}
