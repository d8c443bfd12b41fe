// A line that comes for ever is told ever more rarely, and another one at once.
import { expect, test } from "bun:test";
import { Repeats } from "../../src/core/repeats.ts";

test("the same line is told the 1st, 2nd, 4th, 8th time, whatever its numbers; another one at once", () => {
  const repeats = new Repeats();
  const told = Array.from({ length: 9 }, (_, n) => repeats.tell("api:v1", `next try in ${n} s`));
  expect(told).toEqual([
    "next try in 0 s",
    "next try in 1 s (2 times)",
    undefined,
    "next try in 3 s (4 times)",
    undefined,
    undefined,
    undefined,
    "next try in 7 s (8 times)",
    undefined,
  ]);
  expect(repeats.tell("api:v2", "next try in 9 s")).toBe("next try in 9 s");
  expect(repeats.tell("api:v1", "was killed")).toBe("was killed");
  expect(repeats.tell("api:v1", "next try in 1 s")).toBe("next try in 1 s");
  repeats.forget("api:v1");
  expect(repeats.tell("api:v1", "next try in 1 s")).toBe("next try in 1 s");
});
