// Users and groups are found by name and number, and what cannot be is refused with the reason.
import { expect, test } from "bun:test";
import { accountOf } from "../../../src/platform/process/account.ts";

const root = process.getuid?.() === 0;

test("who asks for nothing, or for who we are, gets no other account", () => {
  expect(accountOf(undefined, undefined)).toBeUndefined();
  expect(accountOf(String(process.getuid?.()), String(process.getgid?.()))).toBeUndefined();
});

test.skipIf(!root)("a user by name or number has its group and its home, a group replaces its own", () => {
  const nobody = accountOf("nobody", undefined);
  expect(nobody?.env).toMatchObject({ USER: "nobody", LOGNAME: "nobody" });
  expect(accountOf(String(nobody?.uid), undefined)).toEqual(nobody);
  expect(accountOf("nobody", "4321")).toEqual({ uid: nobody?.uid ?? 0, gid: 4321, env: nobody?.env ?? {} });
  expect(accountOf("54321", undefined)).toEqual({ uid: 54321, gid: 54321, env: {} });
  expect(accountOf(undefined, "4321")).toEqual({ uid: 0, gid: 4321, env: {} });
});

test("one that does not exist is refused by name", () => {
  expect(() => accountOf("no-such-user", undefined)).toThrow(
    'there is no user "no-such-user" on this machine',
  );
  expect(() => accountOf(undefined, "no-such-group")).toThrow(
    'there is no group "no-such-group" on this machine',
  );
});

test.skipIf(root)("only root may become somebody else", () => {
  expect(() => accountOf("root", undefined)).toThrow("ten serve does not run as root");
});
