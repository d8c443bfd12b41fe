// Repeats of what a server does by itself are one entry; what people did is never folded away.
import { expect, test } from "bun:test";
import { foldRepeats } from "../../src/core/fold-repeats.ts";

let second = 0;
const happened = (subject: string, kind: string, detail = "", by: string | null = null) => ({
  subject,
  kind,
  detail,
  by,
  at: new Date(Date.UTC(2026, 0, 1) - ++second * 1000).toISOString(),
});
const fold = (events: ReturnType<typeof happened>[]) =>
  foldRepeats(events, ({ subject }) => subject).map(({ event, count }) => [
    event.subject,
    event.kind,
    event.detail,
    count,
  ]);

test("a crash loop is one entry a kind, numbers aside, with the time of the first", () => {
  const loop = Array.from({ length: 20 }, (_, i) => [
    happened("api:v2", "exit", `exited with code 7 (pid ${i})`),
    happened("api:v2", "starting", `next try in ${i} s`),
  ]).flat();
  expect(fold(loop)).toEqual([
    ["api:v2", "exit", "exited with code 7 (pid 0)", 20],
    ["api:v2", "starting", "next try in 0 s", 20],
  ]);
  expect(foldRepeats(loop, ({ subject }) => subject)[0]?.since).toBe(loop[38]?.at ?? "");
});

test("other subjects, other words and what a person did are entries of their own", () => {
  expect(
    fold([
      happened("api:v2", "exit", "exited with code 7"),
      happened("api:v1", "exit", "exited with code 7"),
      happened("api:v2", "exit", "was killed"),
      happened("api:v2", "start", "", "ci"),
      happened("api:v2", "start", "", "ci"),
      happened("api:v2", "exit", "exited with code 7"),
    ]),
  ).toEqual([
    ["api:v2", "exit", "exited with code 7", 1],
    ["api:v1", "exit", "exited with code 7", 1],
    ["api:v2", "exit", "was killed", 1],
    ["api:v2", "start", "", 1],
    ["api:v2", "start", "", 1],
    ["api:v2", "exit", "exited with code 7", 1],
  ]);
});
