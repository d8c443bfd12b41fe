// What the operating system refuses is no defect: it is told with its path and with what to do.
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { systemFault } from "../../src/core/system-error.ts";

const thrownBy = (work: () => unknown) => {
  try {
    work();
  } catch (thrown) {
    return thrown;
  }
  return undefined;
};

test.each([
  [
    () => readFileSync("/no/such/file"),
    'cannot open "/no/such/file": there is none (ENOENT)',
    "see what is there: ls -ld /no/such/file and the directories above",
  ],
  [
    () => writeFileSync("/dev/full", "x"),
    /^cannot (?:write to a file|write to "\/dev\/full"|open "\/dev\/full"): the disk is full \(ENOSPC\)$/,
    /make room there/,
  ],
  [
    () => {
      throw Object.assign(new Error("EROFS"), { code: "EROFS", syscall: "mkdir", path: "/srv/data" });
    },
    'cannot make "/srv/data": the file system is read-only (EROFS)',
    "mount it writable, or choose another place",
  ],
])("%s", (work, message, hint) => {
  const fault = systemFault(thrownBy(work));
  expect(fault?.code).toBe("internal");
  for (const [text, wanted] of [
    [fault?.message, message],
    [fault?.hint, hint],
  ] as const) {
    if (typeof wanted === "string") expect(text).toBe(wanted);
    else expect(text).toMatch(wanted);
  }
});

test("anything else is a defect still", () => {
  expect(systemFault(new TypeError("x is not a function"))).toBeUndefined();
  expect(systemFault(undefined)).toBeUndefined();
});
