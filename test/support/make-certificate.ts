// Certificates made to order: an authority of a test's own, and whatever may be wrong with what it signs.
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import {
  bits,
  element,
  objectId,
  octets,
  sequence,
  TAG,
  toPem,
  unsigned,
  utcTime,
} from "../../src/certificates/der.ts";

const ECDSA = sequence(objectId("1.2.840.10045.4.3.2"));
const DAY_MS = 86_400_000;

export interface TestAuthority {
  readonly name: string;
  readonly key: KeyObject;
  /** Its own certificate in PEM. */
  readonly certificate: string;
}

export interface Wish {
  readonly names: readonly string[];
  readonly from?: number;
  readonly until?: number;
  /** Where its issuer is to be had: public authorities say so. */
  readonly issuerAt?: string;
}

export const newTestKey = (): KeyObject => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

export const pemOf = (key: KeyObject): string => key.export({ type: "pkcs8", format: "pem" }) as string;

/** Signed by `by`, or by itself. */
export function makeAuthority(name: string, by?: TestAuthority): TestAuthority {
  const key = newTestKey();
  const from = Date.UTC(2020, 0, 1);
  const certificate = signed(
    { subject: name, key, names: [], from, until: Date.UTC(2049, 0, 1), isAuthority: true },
    by ?? { name, key },
  );
  return { name, key, certificate };
}

/** The certificate and its key, in PEM. */
export function makeCertificate(
  by: TestAuthority,
  wish: Wish,
  key = newTestKey(),
): { readonly certificate: string; readonly key: string } {
  const from = wish.from ?? Date.now() - DAY_MS;
  const facts = {
    ...wish,
    subject: wish.names[0] ?? "nobody",
    key,
    from,
    until: wish.until ?? from + 90 * DAY_MS,
  };
  return { certificate: signed(facts, by), key: pemOf(key) };
}

interface Facts extends Wish {
  readonly subject: string;
  readonly key: KeyObject;
  readonly from: number;
  readonly until: number;
  readonly isAuthority?: boolean;
}

function signed(facts: Facts, by: { readonly name: string; readonly key: KeyObject }): string {
  const toSign = sequence(
    element(0xa0, [TAG.integer, 1, 2]),
    unsigned(randomBytes(12)),
    ECDSA,
    named(by.name),
    sequence(utcTime(facts.from), utcTime(facts.until)),
    named(facts.subject),
    new Uint8Array(publicKey(facts.key)),
    element(0xa3, sequence(...extensions(facts))),
  );
  const signature = sign("sha256", toSign, by.key);
  return toPem(sequence(toSign, ECDSA, bits(signature)), "CERTIFICATE");
}

function extensions({ names, issuerAt, isAuthority }: Facts): Uint8Array[] {
  const found: Uint8Array[] = [];
  if (isAuthority) found.push(sequence(objectId("2.5.29.19"), [1, 1, 255], octets(sequence([1, 1, 255]))));
  if (names.length > 0) {
    const all = names.map((name) =>
      /^[\d.]+$/.test(name) ? element(0x87, name.split(".").map(Number)) : element(0x82, Buffer.from(name)),
    );
    found.push(sequence(objectId("2.5.29.17"), octets(sequence(...all))));
  }
  // RFC 5280 section 4.2.2.1: id-ad-caIssuers.
  if (issuerAt !== undefined)
    found.push(
      sequence(
        objectId("1.3.6.1.5.5.7.1.1"),
        octets(sequence(sequence(objectId("1.3.6.1.5.5.7.48.2"), element(0x86, Buffer.from(issuerAt))))),
      ),
    );
  return found;
}

function named(text: string): Uint8Array {
  return sequence(element(TAG.set, sequence(objectId("2.5.4.3"), element(TAG.utf8, Buffer.from(text)))));
}

function publicKey(key: KeyObject): Buffer {
  const { x = "", y = "" } = key.export({ format: "jwk" });
  const point = Buffer.concat([Buffer.from([4]), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
  return Buffer.from(
    sequence(sequence(objectId("1.2.840.10045.2.1"), objectId("1.2.840.10045.3.1.7")), bits(point)),
  );
}
