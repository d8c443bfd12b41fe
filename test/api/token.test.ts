// Tokens: random, known only by their hash, and with a form that tells what is wrong with one.
import { expect, test } from "bun:test";
import { formOf, hashToken, newSecret, newToken } from "../../src/api/token.ts";

test("a token has 32 random bytes and a checksum, in characters that need no quoting", () => {
  const token = newToken("ten");
  expect(token).toMatch(/^ten_[0-9A-Za-z]{49}$/);
  expect(newToken("ten")).not.toBe(token);
  expect(newToken("slum")).toMatch(/^slum_[0-9A-Za-z]{49}$/);
  expect(newSecret()).toMatch(/^[\w-]{43}$/);
});

test("a token mistyped by any one letter, or cut anywhere, is told without asking anybody", () => {
  const token = newToken("ten");
  expect(formOf(token, "ten")).toBe("right");
  for (let at = "ten_".length; at < token.length; at += 1) {
    const other = token[at] === "x" ? "y" : "x";
    expect(formOf(`${token.slice(0, at)}${other}${token.slice(at + 1)}`, "ten")).toBe("mistyped");
    expect(formOf(token.slice(0, at), "ten")).toBe("mistyped");
  }
  expect(formOf(`${token}x`, "ten")).toBe("mistyped");
});

test("a token of the other program is told, and one from before there was a form is none of these", () => {
  expect(formOf(newToken("slum"), "ten")).toBe("foreign");
  expect(formOf(newSecret(), "ten")).toBe("plain");
});

test("a hash is that of its own token and of no other", () => {
  const token = newToken("ten");
  const hash = hashToken(token);
  expect(hash).toMatch(/^[0-9a-f]{64}$/);
  expect(hash).not.toContain(token);
  expect(hashToken(token)).toBe(hash);
  expect(hashToken(`${token}x`)).not.toBe(hash);
});
