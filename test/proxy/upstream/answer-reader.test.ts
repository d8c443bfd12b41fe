// The reader of answers against a slow and obvious one: split everywhere, mutated, cut short.
import { describe, expect, test } from "bun:test";
import { Malformed } from "../../../src/core/http1/bytes.ts";
import { AnswerReader } from "../../../src/proxy/upstream/answer-reader.ts";
import { type ReferenceAnswer, referenceAnswer } from "../../support/reference-answer.ts";

const limits = { maxHeadBytes: 65_536, maxFields: 100 };

/** What the reader makes of the text when it comes in these pieces. */
function read(text: string, method: string, sizes: () => number): ReferenceAnswer {
  const reader = new AnswerReader(limits);
  reader.begin(method);
  const wire = Buffer.from(text, "latin1");
  let body = "";
  let isGarbled = false;
  try {
    for (let at = 0; at < wire.length; ) {
      const size = sizes();
      // A copy, for the reader owns what it is given and may write to it.
      body += Buffer.from(reader.push(Buffer.from(wire.subarray(at, at + size)))).toString("latin1");
      at += size;
    }
  } catch (thrown) {
    if (!(thrown instanceof Malformed)) throw thrown;
    if (reader.framed === undefined) return { kind: "garbage" };
    isGarbled = true;
  }
  const { framed, status, done: isWhole, surplus: hasSurplus } = reader;
  if (framed === undefined) return { kind: "partial" };
  return { kind: "answer", status, fields: framed.fields, body, isWhole, hasSurplus, isGarbled };
}

/** A small generator of pseudo-random numbers (mulberry32), so that a failure can be repeated. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const SAMPLES = [
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more",
  "HTTP/1.0 200 OK\r\nConnection: X-A, keep-alive\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nhi",
  "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nT: u\r\n\r\n",
  "HTTP/1.1 200 OK\r\ntransfer-encoding:CHUNKED\r\n\r\nA;x\r\n0123456789\r\n0\r\n\r\nHTTP/1.1 200",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hint\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
  "HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n",
  'HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: "x"\r\n\r\n',
  "HTTP/1.1 200 OK\r\nServer: z\r\n\r\nuntil the end\r\n\r\n",
  "HTTP/1.1 500 \xe9\xff\r\nContent-Length: 3, 3\r\nContent-Length:3\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\nabc",
  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
  "SSH-2.0-OpenSSH_9.2p1 Debian\r\n",
  "HTTP/1.0 200 OK\nContent-Length: 2\nX: y\n\nhi",
  "HTTP/1.1  777  Odd\r\nContent-Length: 2\nX: y\r\n\r\nhi",
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n2 ; a="b c"\r\nhi\r\n0 \r\n\r\n',
];
const SPICE = [
  "\r",
  "\n",
  "\r\n",
  "\0",
  " ",
  "\t",
  ":",
  ";",
  ",",
  "0",
  "1",
  "9",
  "a",
  "F",
  "\x7f",
  "\x80",
  "\xff",
  "\r\n\r\n",
  "-",
  "+",
];
const LINES = [
  "Content-Length: 5\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Connection: close, x-a\r\n",
  " folded\r\n",
  "X-A: 2\r\n",
];

function mutate(text: string, random: (below: number) => number): string {
  let mutated = text;
  for (let count = random(4); count > 0; count--) {
    const at = random(mutated.length + 1);
    const spice = SPICE[random(SPICE.length)] ?? "";
    const kinds = [
      () => mutated.slice(0, at) + spice + mutated.slice(at),
      () => mutated.slice(0, at) + mutated.slice(at + 1 + random(3)),
      () => mutated.slice(0, at) + spice + mutated.slice(at + 1),
      () => mutated.slice(0, at),
      () => mutated.replace("\r\n", `\r\n${LINES[random(LINES.length)] ?? ""}`),
      () => mutated + (SAMPLES[random(SAMPLES.length)] ?? ""),
    ];
    mutated = kinds[random(kinds.length)]?.() ?? mutated;
  }
  return mutated;
}

describe.each(SAMPLES.map((sample, index) => [index, sample] as const))("sample %d", (_, sample) => {
  test("reads the same split in two at every byte, and byte by byte", () => {
    for (const method of ["GET", "HEAD"]) {
      const expected = referenceAnswer(sample, method);
      expect(read(sample, method, () => 1)).toEqual(expected);
      for (let at = 1; at <= sample.length; at++) {
        const sizes = [at, sample.length];
        expect(read(sample, method, () => sizes.shift() ?? 1)).toEqual(expected);
      }
    }
  });
});

test("mutated answers in random pieces read as the reference reads them", () => {
  const seed = Number(process.env.FUZZ_SEED ?? 1);
  const random = seeded(seed);
  const outcomes = new Map<string, number>();
  const rounds = Number(process.env.FUZZ_ROUNDS ?? 20_000);
  for (let round = 0; round < rounds; round++) {
    const text = mutate(SAMPLES[random(SAMPLES.length)] ?? "", random);
    const method = random(8) === 0 ? "HEAD" : "GET";
    const expected = referenceAnswer(text, method);
    const most = 1 + random(text.length + 1);
    const actual = read(text, method, () => 1 + random(most));
    if (!Bun.deepEquals(forgetUnsure(actual), forgetUnsure(expected))) {
      expect({ seed, round, text, method, ...actual }).toEqual({ seed, round, text, method, ...expected });
    }
    const outcome = expected.kind === "answer" ? `${expected.isWhole}${expected.isGarbled}` : expected.kind;
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  // Every kind of outcome has really been tried.
  for (const outcome of ["garbage", "partial", "truefalse", "falsefalse", "falsetrue"]) {
    expect(outcomes.get(outcome)).toBeGreaterThan(rounds / 200);
  }
});

/** Bytes in the same piece as garbage are not handed out: how much of a garbled body was seen depends on the pieces. */
function forgetUnsure(answer: ReferenceAnswer): ReferenceAnswer {
  return answer.kind === "answer" && answer.isGarbled ? { ...answer, body: "" } : answer;
}
