// What passes as a certificate that can be served, and what each wrong one is refused with.
import { describe, expect, test } from "bun:test";
import { readCertificate } from "../../src/certificates/certificate.ts";
import { makeAuthority, makeCertificate, newTestKey, pemOf } from "../support/make-certificate.ts";

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 5, 1, 12);
const root = makeAuthority("test root");
const middle = makeAuthority("test intermediate", root);
const other = makeAuthority("another root");
const wish = { names: ["a.test", "*.a.test", "127.0.0.1"], from: NOW - DAY_MS, until: NOW + 89 * DAY_MS };
const good = makeCertificate(middle, wish);

const read = (...texts: readonly string[]) => readCertificate(texts.join("\n"), "a.pem", NOW);

describe("a certificate", () => {
  test("is read with its names, its life and its issuer, key first or last", () => {
    const found = read(good.certificate, middle.certificate, good.key);
    expect(found.names).toEqual(["a.test", "*.a.test", "127.0.0.1"]);
    expect(found.life).toEqual({ notBefore: NOW - DAY_MS, notAfter: NOW + 89 * DAY_MS });
    expect(found.issuer).toBe("test intermediate");
    expect(found.chain.match(/BEGIN CERTIFICATE/g)?.length).toBe(2);
    expect(read(good.key, good.certificate, middle.certificate, root.certificate).serial).toBe(found.serial);
  });

  test("of a private authority needs no chain", () => {
    expect(read(good.certificate, good.key).names).toContain("a.test");
  });

  const publicly = makeCertificate(middle, { ...wish, issuerAt: "http://issuer.test/middle.der" });
  const refused: readonly (readonly [string, readonly string[], RegExp])[] = [
    ["nothing", [""], /there is no certificate in it/],
    ["no key", [good.certificate], /there is no private key to it/],
    [
      "a key of another's",
      [good.certificate, pemOf(newTestKey())],
      /the key does not belong to the certificate/,
    ],
    ["a chain in the wrong order", [middle.certificate, good.certificate, good.key], /does not come first/],
    [
      "a chain with a stranger in it",
      [good.certificate, other.certificate, good.key],
      /the chain is broken: "a.test"/,
    ],
    [
      "a public one without its intermediate",
      [publicly.certificate, publicly.key],
      /the intermediate certificate is missing/,
    ],
    [
      "garbage in armour",
      ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", good.key],
      /cannot be read/,
    ],
    [
      "an encrypted key",
      [
        good.certificate,
        newTestKey().export({
          type: "pkcs8",
          format: "pem",
          cipher: "aes-256-cbc",
          passphrase: "x",
        }) as string,
      ],
      /the key is encrypted/,
    ],
  ];
  for (const [what, texts, message] of refused)
    test(`is refused: ${what}`, () => expect(() => read(...texts)).toThrow(message));

  test("is refused when its time is over, with the time of this machine", () => {
    const old = makeCertificate(root, { ...wish, until: NOW - DAY_MS });
    expect(() => read(old.certificate, old.key)).toThrow(
      "a.pem: the certificate expired on 2026-05-31 12:00 UTC; the clock of this machine says 2026-06-01 12:00 UTC",
    );
  });

  test("is refused when its time is a year ahead, and the clock is named", () => {
    const early = makeCertificate(root, { ...wish, from: NOW + 365 * DAY_MS, until: NOW + 400 * DAY_MS });
    expect(() => read(early.certificate, early.key)).toThrow(
      /begins on 2027-06-01.*clock of this machine says 2026-06-01/,
    );
  });

  test("is refused without a name", () => {
    const nameless = makeCertificate(root, { ...wish, names: [] });
    expect(() => read(nameless.certificate, nameless.key)).toThrow(/names no host/);
  });
});
