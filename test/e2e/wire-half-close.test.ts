// A client that has finished sending, one that does not read, and answers that do not fit: in every combination each gets all, and nothing stays.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { until } from "../support/until.ts";
import { readAnswers } from "./wire/messages.ts";
import { HOST, OK, type Proxied, startProxied } from "./wire/proxied.ts";

setDefaultTimeout(60_000);

let proxied: Proxied;
beforeAll(async () => {
  proxied = await startProxied();
});
afterAll(() => proxied[Symbol.asyncDispose]());

const BIG = Buffer.alloc(12 * 1024 * 1024, 122);

const ANSWERS = {
  small: [OK, 2],
  sized: [`HTTP/1.1 200 OK\r\nContent-Length: ${BIG.length}\r\n\r\n`, BIG.length],
  chunked: [
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${BIG.length.toString(16)}\r\n`,
    BIG.length,
  ],
} as const;

const REQUESTS = {
  "HTTP/1.1": "1.1",
  "HTTP/1.1 that closes": "1.1\r\nConnection: close",
  "HTTP/1.0": "1.0",
} as const;

const pick = <T extends object>(of: T) => Object.keys(of) as (keyof T)[];
const MATRIX = pick(REQUESTS).flatMap((request) =>
  pick(ANSWERS).flatMap((answer) =>
    ["at once", "after the head", "never"].flatMap((finishes) =>
      [false, true].map((pauses) => ({ request, answer, finishes, pauses })),
    ),
  ),
);

const openFiles = () => readdirSync("/proc/self/fd").length;

test.each(MATRIX)("$request, a $answer answer, finishes $finishes, pauses $pauses", async (cell) => {
  const [head, length] = ANSWERS[cell.answer];
  proxied.forget();
  proxied.answer((_, socket) => {
    socket.write(head);
    if (cell.answer === "small") return;
    socket.write(BIG);
    if (cell.answer === "chunked") socket.write("\r\n0\r\n\r\n");
  });
  const talk = await proxied.talk();
  if (cell.pauses) talk.socket.pause();
  talk.send(`GET / HTTP/${REQUESTS[cell.request]}\r\nHost: ${HOST}\r\n\r\n`);
  if (cell.finishes === "at once") talk.socket.end();
  await until("the request has come", () => proxied.origin.requests.length === 1);
  if (cell.pauses) await Bun.sleep(50);
  if (cell.finishes === "after the head") talk.socket.end();
  talk.socket.resume();
  const [answer] = await talk.answers(1);
  expect(answer?.body.length).toBe(length);
  const stays = cell.request === "HTTP/1.1" && cell.finishes === "never";
  if (stays) {
    expect(talk.isOver).toBe(false);
    talk.send(`GET /next HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
    await talk.answers(2);
  } else {
    expect(await talk.ended).toBe("end");
    expect(readAnswers(talk.text(), [], true).rest).toBe("");
  }
  talk.socket.destroy();
});

test("nothing is left open of all these", async () => {
  const before = openFiles();
  for (let round = 0; round < 20; round++) {
    const talk = await proxied.talk();
    proxied.forget();
    talk.send(`GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
    talk.socket.end();
    await talk.answers(1);
    await talk.ended;
    talk.socket.destroy();
  }
  await until("descriptors are as before", () => openFiles() <= before + 2);
});
