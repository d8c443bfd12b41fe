import { expect, test } from "bun:test";
import { isNear, nearest, suggest } from "../../src/core/did-you-mean.ts";

test("the nearest known word is found whatever its case", () => {
  expect(nearest("Restrat", ["start", "restart", "stop"])).toBe("restart");
});

test("a word that was only begun means the one that goes on, however long that is", () => {
  expect(nearest("of", ["on", "off"])).toBe("off");
  expect(suggest("stop_grace", ["restart", "stop_grace_period_secs"])).toBe(
    'did you mean "stop_grace_period_secs"?',
  );
  expect(suggest("s", ["stop_grace_period_secs"])).toBe("");
});

test("nothing is suggested where nothing is known", () => {
  expect(nearest("x", [])).toBeUndefined();
  expect(suggest("x", [])).toBe("");
});

test("a slip is asked about, a far word is not", () => {
  expect(suggest("comand", ["command", "args"])).toBe('did you mean "command"?');
  expect(suggest("entrypoint", ["command", "env"])).toBe("");
});

test("two swapped letters are near in a word of four, not in a word of two", () => {
  expect(isNear("prot", "port")).toBe(true);
  expect(isNear("di", "id")).toBe(false);
});
