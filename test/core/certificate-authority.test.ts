import { describe, expect, test } from "bun:test";
import { AUTHORITIES, parseAuthority, parseBindings } from "../../src/core/certificate-authority.ts";

const { letsencrypt = "", zerossl = "", google = "" } = AUTHORITIES;

test("an authority is one by name, or by the https address of its directory", () => {
  expect(parseAuthority("zerossl")).toBe(zerossl);
  expect(parseAuthority("https://ca.example.com/acme/directory")).toBe(
    "https://ca.example.com/acme/directory",
  );
  for (const text of [
    "ca.example.com",
    "http://ca.example.com/dir",
    "https://a:b@ca.example.com/dir",
    "https://ca",
    "",
  ])
    expect(() => parseAuthority(text)).toThrow("is no certificate authority");
});

describe("accounts to bind", () => {
  const read = (text: string, ...authorities: string[]) => parseBindings(text, authorities, "eab");

  test("are one a line, for an authority that is asked, or for the first", () => {
    expect(
      read("# ours\nzerossl kid-1 c2VjcmV0\n\ngoogle kid-2 c2VjcmV0Mg==\n", letsencrypt, zerossl, google),
    ).toEqual([
      { url: letsencrypt, binding: undefined },
      { url: zerossl, binding: { kid: "kid-1", hmac: "c2VjcmV0" } },
      { url: google, binding: { kid: "kid-2", hmac: "c2VjcmV0Mg==" } },
    ]);
    expect(read("kid-1 c2VjcmV0", zerossl)).toEqual([
      { url: zerossl, binding: { kid: "kid-1", hmac: "c2VjcmV0" } },
    ]);
  });

  test("that bind nothing are refused with their line, and so are those of an authority that is not asked", () => {
    for (const line of ["zerossl kid", "kid", "zerossl kid not+base64url!", "zerossl kid c2VjcmV0 more"])
      expect(() => read(`# first\n${line}`, zerossl)).toThrow(/line 2 of "eab" binds no account/);
    expect(() => read("google kid c2VjcmV0", zerossl)).toThrow(
      'line 1 of "eab" is for dv.acme-v02.api.pki.goog, which is not asked for certificates',
    );
  });
});
