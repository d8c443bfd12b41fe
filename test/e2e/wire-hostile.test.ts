// What two programs could read differently is refused, and nothing that was hidden behind it reaches an origin.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { until } from "../support/until.ts";
import { HIDDEN, HOSTILE } from "./wire/hostile.ts";
import { readAnswers } from "./wire/messages.ts";
import { HOST, type Proxied, startProxied } from "./wire/proxied.ts";

setDefaultTimeout(30_000);

let proxied: Proxied;
beforeAll(async () => {
  proxied = await startProxied();
});
afterAll(() => proxied[Symbol.asyncDispose]());

test.each(HOSTILE.map((row) => [`${row.kind}: ${row.what}`, row] as const))("%s", async (_, row) => {
  proxied.forget();
  const talk = await proxied.talk();
  try {
    talk.send(row.send);
    const [answer] = await talk.answers(1);
    expect(row.statuses).toContain(Number(answer?.line.split(" ")[1]));
    // No second answer, and nothing more is read from it.
    if (row.ends) await until("the connection ends", () => talk.isOver);
    expect(readAnswers(talk.text(), [], talk.isOver).messages.length).toBe(1);
    expect(proxied.origin.received()).not.toContain(HIDDEN);
    if (!row.begins) expect(proxied.origin.received()).toBe("");
    expect(proxied.origin.requests).toEqual([]);
  } finally {
    talk.socket.destroy();
  }
  // Whoever comes next is served, on whatever connection to the origin is left.
  const next = await proxied.talk();
  next.send(`GET /next HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
  const [answer] = await next.answers(1);
  next.socket.destroy();
  expect(answer?.body).toBe("ok");
  expect(proxied.origin.requests.map(({ line }) => line)).toEqual(["GET /next HTTP/1.1"]);
});
