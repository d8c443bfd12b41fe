// Tokens: random, and known only by their hash.
import { expect, test } from "bun:test";
import { hashToken, newToken, tokenMatches } from "../../src/api/token.ts";

test("a token has 32 random bytes in characters that need no quoting", () => {
  const token = newToken();
  expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(newToken()).not.toBe(token);
});

test("a token never looks like a flag: --token TOKEN takes it as it is", () => {
  const tokens = Array.from({ length: 2_000 }, newToken);
  expect(tokens.filter((token) => token.startsWith("-"))).toEqual([]);
});

test("a token matches its own hash and no other", () => {
  const token = newToken();
  const hash = hashToken(token);
  expect(hash).toMatch(/^[0-9a-f]{64}$/);
  expect(hash).not.toContain(token);
  expect(tokenMatches(token, hash)).toBe(true);
  expect(tokenMatches(`${token}x`, hash)).toBe(false);
  expect(tokenMatches(token, "")).toBe(false);
});
