import { describe, expect, test } from "bun:test";
import {
  canonicalServerName,
  NameIndex,
  registeredDomain,
  wildcardOver,
} from "../../src/core/server-name.ts";

describe("a server name", () => {
  test("is compared in lower case and without a final dot", () => {
    expect(canonicalServerName("API.Example.COM.")).toBe("api.example.com");
    expect(canonicalServerName("xn--bcher-kva.example")).toBe("xn--bcher-kva.example");
  });

  for (const text of [
    "",
    ".",
    "a..b",
    "127.0.0.1",
    "[::1]",
    "bücher.example",
    `${"a".repeat(64)}.test`,
    "a.".repeat(150),
    "a b",
    "*.a.test",
    "a\0b",
  ])
    test(`is none: ${JSON.stringify(text).slice(0, 30)}`, () =>
      expect(canonicalServerName(text)).toBeUndefined());

  test("of 63 letters a label and 253 in all is one", () => {
    const long = `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(61)}`;
    expect(canonicalServerName(long)).toBe(long);
  });

  test("is covered by the wildcard of one label", () => {
    expect(wildcardOver("v2.api.example.com")).toBe("*.api.example.com");
    expect(wildcardOver("localhost")).toBeUndefined();
  });

  test("is found exactly first, then by wildcard", () => {
    const index = new NameIndex<string>();
    index.set("*.example.com", "wildcard");
    index.set("api.example.com", "exact");
    expect(
      ["api.example.com", "web.example.com", "a.b.example.com", "example.com"].map((name) => index.get(name)),
    ).toEqual(["exact", "wildcard", undefined, undefined]);
    index.delete("api.example.com");
    expect(index.get("api.example.com")).toBe("wildcard");
  });

  test("counts to a domain that somebody has registered", () => {
    expect(registeredDomain("a.b.example.com")).toBe("example.com");
    expect(registeredDomain("shop.example.co.uk")).toBe("example.co.uk");
    expect(registeredDomain("example.io")).toBe("example.io");
  });
});
