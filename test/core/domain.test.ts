import { describe, expect, test } from "bun:test";
import { isWithin, parseDomain } from "../../src/core/domain.ts";

test.each(["app.example.com", "intranet", "a_b.example", "xn--mller-kva.de"])("%s is a domain", (text) => {
  expect(parseDomain(text)).toBe(text);
});

describe("anything else is refused with the form to write", () => {
  const refused: [text: string, message: string, hint: string][] = [
    ["App.Example.com", '"App.Example.com" is not a plain domain', 'write "app.example.com"'],
    [
      "https://app.example.com/x",
      '"https://app.example.com/x" is not a plain domain',
      'write "app.example.com"',
    ],
    ["app.example.com:8080", '"app.example.com:8080" is not a plain domain', 'write "app.example.com"'],
    ["app.example.com.", '"app.example.com." is not a plain domain', 'write "app.example.com"'],
    ["müller.de", '"müller.de" is not a plain domain', 'write "xn--mller-kva.de"'],
    ["*.example.com", '"*.example.com" has a wildcard', "name each domain"],
    ["10.0.0.1", '"10.0.0.1" is not a domain', "write one such as app.example.com"],
    ["[::1]:80", '"[::1]:80" is not a domain', "write one such as app.example.com"],
    ["a..b", '"a..b" is not a domain', "write one such as app.example.com"],
    ["", '"" is not a domain', "write one such as app.example.com"],
  ];
  test.each(refused)("%j", (text, message, hint) => {
    try {
      parseDomain(text);
      expect.unreachable();
    } catch (fault) {
      expect(fault).toMatchObject({ code: "usage", message, hint });
    }
  });
});

test("a domain is within itself and its parents, not within a longer word", () => {
  expect(isWithin("a.example.com", "example.com")).toBe(true);
  expect(isWithin("example.com", "example.com")).toBe(true);
  expect(isWithin("badexample.com", "example.com")).toBe(false);
});
