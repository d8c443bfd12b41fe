// Where the network cuts a message says nothing: every exchange means the same, cut at every byte, both ways.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { HOST, OK, type Proxied, startProxied } from "./wire/proxied.ts";
import { VALID, type ValidRow } from "./wire/valid.ts";

setDefaultTimeout(180_000);

let proxied: Proxied;
beforeAll(async () => {
  proxied = await startProxied();
});
afterAll(() => proxied[Symbol.asyncDispose]());

const MOST_BYTES = 260;
const KINDS = 20;
/** Cuts that are tried at the same time, each on a connection of its own. */
const AT_ONCE = 16;

/** Evenly from all that are short, so that every part of the table is there. */
function spread(rows: readonly ValidRow[]): ValidRow[] {
  return Array.from({ length: KINDS }, (_, at) => rows[Math.floor((at * rows.length) / KINDS)]).filter(
    (row) => row !== undefined,
  );
}

const short = ({ send, origin }: ValidRow) =>
  send.length <= MOST_BYTES && (origin ?? "").length <= MOST_BYTES;
const asked = spread(VALID.filter((row) => short(row) && row.origin === undefined && row.sees !== undefined));
const answered = spread(VALID.filter((row) => short(row) && row.origin !== undefined));

/** Some of what is to be read has been, so what is sent now is a piece of its own. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 1));

async function atEveryByte(
  length: number,
  look: (cut: number) => Promise<string>,
): Promise<Map<string, number[]>> {
  const seen = new Map<string, number[]>();
  const cuts = Array.from({ length: length - 1 }, (_, at) => at + 1);
  const worker = async () => {
    for (let cut = cuts.shift(); cut !== undefined; cut = cuts.shift()) {
      const result = await look(cut);
      seen.set(result, [...(seen.get(result) ?? []), cut]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return seen;
}

/** Values that differ from request to request. */
const timeless = (text: string) => text.replace(/^(date|x-request-id): .*$/gim, "$1: -");

test("there are 40 exchanges", () => expect(asked.length + answered.length).toBe(40));

test.each(asked.map((row) => [`${row.rfc}: ${row.what}`, row] as const))("request %s", async (_, row) => {
  proxied.forget();
  // The origin says what it has seen, so that each connection knows what became of its own request.
  proxied.answer((request, socket) => {
    const told = timeless(
      JSON.stringify([request.line, request.fields.map(timeless), request.body, request.trailers]),
    );
    const body = Buffer.from(told).toString("base64");
    const isHead = row.method === "HEAD";
    socket.write(
      `HTTP/1.1 200 OK\r\nX-Seen: ${body}\r\nContent-Length: ${body.length}\r\n\r\n${isHead ? "" : body}`,
    );
  });
  const once = async (cut: number) => {
    const talk = await proxied.talk();
    try {
      talk.send(row.send.slice(0, cut));
      await pause();
      talk.send(row.send.slice(cut));
      const [answer] = await talk.answers(1, [row.method]);
      return `${answer?.line} ${answer?.fields.find((field) => /^x-seen/i.test(field))}`;
    } catch (thrown) {
      return String(thrown);
    } finally {
      talk.socket.destroy();
    }
  };
  const whole = await once(row.send.length);
  expect(whole).toStartWith("HTTP/1.1 200 ");
  const seen = await atEveryByte(row.send.length, once);
  expect([...seen]).toEqual([[whole, expect.any(Array)]]);
});

test.each(answered.map((row) => [`${row.rfc}: ${row.what}`, row] as const))("%s", async (_, row) => {
  proxied.forget();
  const text = row.origin ?? OK;
  const ends = /connection: close|HTTP\/1\.0/i.test(text);
  proxied.answer(async (request, socket) => {
    const cut = Number(/[?](\d+) /.exec(request.line)?.[1]);
    socket.write(Buffer.from(text.slice(0, cut), "latin1"));
    await pause();
    socket.write(Buffer.from(text.slice(cut), "latin1"));
    if (ends) socket.end();
  });
  const once = async (cut: number) => {
    const talk = await proxied.talk();
    try {
      talk.send(`${row.method} /a?${cut} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
      const [answer] = await talk.answers(1, [row.method]);
      if (answer === undefined) return "none";
      // Whether a body of no length is sent in chunks or with one says nothing.
      const fields = answer.fields.filter((field) => !/^(content-length|transfer-encoding):/i.test(field));
      return timeless(JSON.stringify({ ...answer, fields: fields.map(timeless) }));
    } catch (thrown) {
      return String(thrown);
    } finally {
      talk.socket.destroy();
    }
  };
  const whole = await once(text.length);
  expect(whole).toStartWith("{");
  const seen = await atEveryByte(text.length, once);
  expect([...seen]).toEqual([[whole, expect.any(Array)]]);
});
