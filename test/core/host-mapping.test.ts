// What a server says of itself, in the terms of the visitor who asked by another name.
import { describe, expect, test } from "bun:test";
import { mapAnswerFields } from "../../src/core/host-mapping.ts";

const mapping = { server: "10.0.0.7:23204", visitor: "acme.example.com:8443", scheme: "https" };

function mapped(name: string, value: string, more: Partial<typeof mapping> = {}): string | undefined {
  return mapAnswerFields([[name, value]], { ...mapping, ...more })[0]?.[1];
}

describe("a redirect", () => {
  test.each([
    ["http://10.0.0.7:23204/dir/", "https://acme.example.com:8443/dir/"],
    [
      "https://10.0.0.7:23204/a?b=http://10.0.0.7:23204/c#d",
      "https://acme.example.com:8443/a?b=http://10.0.0.7:23204/c#d",
    ],
    ["//10.0.0.7:23204/dir", "//acme.example.com:8443/dir"],
    ["http://10.0.0.7/dir/", "https://acme.example.com:8443/dir/"],
    ["HTTP://10.0.0.7:23204", "https://acme.example.com:8443"],
    ["/dir/", "/dir/"],
    ["dir/", "dir/"],
    ["http://10.0.0.7:9999/other", "http://10.0.0.7:9999/other"],
    ["http://10.0.0.77:23204/", "http://10.0.0.77:23204/"],
    ["http://user@10.0.0.7:23204/", "http://user@10.0.0.7:23204/"],
    [
      "https://login.example.net/?next=//10.0.0.7:23204/",
      "https://login.example.net/?next=//10.0.0.7:23204/",
    ],
  ])("to %s leads to %s", (from, to) => {
    expect([mapped("Location", from), mapped("content-location", from)]).toEqual([to, to]);
  });

  test("of a platform that names itself with either scheme is mapped, whatever its case", () => {
    const platform = { server: "myapp-iad.fly.dev", visitor: "acme.example.com", scheme: "http" };
    for (const url of [
      "https://myapp-iad.fly.dev/x",
      "http://MyApp-IAD.fly.dev:80/x",
      "https://myapp-iad.fly.dev:443/x",
    ])
      expect(mapped("location", url, platform)).toBe("http://acme.example.com/x");
  });

  test("by Refresh is one too", () => {
    expect(mapped("refresh", "5; url=http://10.0.0.7:23204/a")).toBe(
      "5; url=https://acme.example.com:8443/a",
    );
    expect(mapped("refresh", "0;URL='http://10.0.0.7:23204/a'")).toBe(
      "0;URL='https://acme.example.com:8443/a'",
    );
    expect(mapped("refresh", "5; url=/a")).toBe("5; url=/a");
    expect(mapped("refresh", "5")).toBe("5");
  });
});

describe("a cookie", () => {
  const hosts = { server: "api.iad.fly.dev", visitor: "acme.example.com:8443" };
  test.each([
    ["s=1; Domain=api.iad.fly.dev; Path=/", "s=1; Domain=acme.example.com; Path=/"],
    ["s=1; path=/; domain=.iad.fly.dev", "s=1; path=/; domain=acme.example.com"],
    ["s=1; Domain=example.com", "s=1; Domain=example.com"],
    ["s=1; Domain=other.net", "s=1; Domain=other.net"],
    ["s=domain=api.iad.fly.dev; Path=/", "s=domain=api.iad.fly.dev; Path=/"],
    ["s=1", "s=1"],
  ])("%s becomes %s", (from, to) => expect(mapped("Set-Cookie", from, hosts)).toBe(to));

  test("for a domain that both are in stays", () => {
    const siblings = { server: "iad.example.com", visitor: "acme.example.com" };
    expect(mapped("set-cookie", "s=1; Domain=example.com", siblings)).toBe("s=1; Domain=example.com");
  });
});

test("fields that name no host stay as they are, each apart and in order", () => {
  const fields = [
    ["Set-Cookie", "a=1"],
    ["X-Location", "http://10.0.0.7:23204/"],
    ["Set-Cookie", "b=2"],
  ] as const;
  expect(mapAnswerFields(fields, mapping)).toEqual(fields);
});
