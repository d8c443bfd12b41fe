// Trusted networks and the visitor's address.
import { expect, test } from "bun:test";
import { clientAddress, createTrust } from "../../src/core/trusted-proxies.ts";

test.each([
  ["127.0.0.0/8", "127.9.9.9", true],
  ["127.0.0.0/8", "128.0.0.1", false],
  ["127.0.0.0/8", "::ffff:127.0.0.1", true],
  ["::1", "::1", true],
  ["::1", "0:0:0:0:0:0:0:1", true],
  ["::1", "::2", false],
  ["fd00::/8", "fd12:3456::1", true],
  ["fd00::/8", "fe80::1", false],
  ["10.1.2.3", "10.1.2.3", true],
  ["10.1.2.3", "10.1.2.4", false],
  ["0.0.0.0/0", "8.8.8.8", true],
  ["0.0.0.0/0", "::1", false],
  ["::/0", "2001:db8::1", true],
  ["::ffff:10.0.0.0/8", "10.0.0.1", true],
  ["127.0.0.0/8", "", false],
  ["127.0.0.0/8", "localhost", false],
])("%s holds %s: %p", (network, address, expected) => {
  expect(createTrust([network])(address)).toBe(expected);
});

test.each([
  "",
  "10.0.0.0/33",
  "10.0.0/8",
  "::1/129",
  "1::2::3",
  "host",
  "10.0.0.0/",
  "10.0.0.256",
  "1:2:3",
  "/8",
])("%p is refused as a network", (text) => {
  expect(() => createTrust([text])).toThrow("is not a network");
});

test("the visitor is the rightmost address that is not trusted", () => {
  const trust = createTrust(["10.0.0.0/8", "127.0.0.1"]);
  expect(clientAddress("203.0.113.9", "1.1.1.1", trust)).toBe("203.0.113.9");
  expect(clientAddress("127.0.0.1", null, trust)).toBe("127.0.0.1");
  expect(clientAddress("127.0.0.1", "6.6.6.6, 203.0.113.9, 10.1.1.1", trust)).toBe("203.0.113.9");
  expect(clientAddress("127.0.0.1", "10.2.2.2, 10.1.1.1", trust)).toBe("10.2.2.2");
  expect(clientAddress("127.0.0.1", "6.6.6.6, nonsense", trust)).toBe("127.0.0.1");
});
