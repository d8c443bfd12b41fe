// What is signed with keys of our own: certificate requests (RFC 2986), the certificate that answers TLS-ALPN-01 (RFC 8737), and the name of a certificate at its authority (RFC 9773).
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import ipaddr from "ipaddr.js";
import { isIpAddress } from "../core/ip-address.ts";
import {
  bits,
  element,
  fromPem,
  objectId,
  octets,
  type Read,
  readAll,
  sequence,
  TAG,
  toPem,
  unsigned,
  utcTime,
} from "./der.ts";

const ECDSA_WITH_SHA256 = sequence(objectId("1.2.840.10045.4.3.2"));
const OID = {
  subjectAltName: objectId("2.5.29.17"),
  authorityKeyId: objectId("2.5.29.35"),
  extensionRequest: objectId("1.2.840.113549.1.9.14"),
  commonName: objectId("2.5.4.3"),
  acmeIdentifier: objectId("1.3.6.1.5.5.7.1.31"),
};
const DAY_MS = 86_400_000;

/** A key for one certificate: ECDSA on P-256, which every client of TLS 1.2 and 1.3 takes. */
export function newKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

export function keyPem(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }) as string;
}

/** A request for these names, names of hosts or addresses, in DER. */
export function certificateRequest(key: KeyObject, names: readonly string[]): Uint8Array {
  const extensions = sequence(OID.extensionRequest, element(TAG.set, sequence(alternativeNames(names))));
  const info = sequence([TAG.integer, 1, 0], sequence(), publicKey(key), element(0xa0, extensions));
  return sequence(info, ECDSA_WITH_SHA256, bits(signed(key, info)));
}

/** A self-signed certificate for one name with the digest of the key authorization, in PEM (RFC 8737 section 3). */
export function challengeCertificate(
  key: KeyObject,
  name: string,
  keyAuthorization: string,
  now: number,
): string {
  const digest = createHash("sha256").update(keyAuthorization).digest();
  const subject = sequence(
    element(TAG.set, sequence(OID.commonName, element(TAG.utf8, Buffer.from("acme")))),
  );
  const acme = sequence(OID.acmeIdentifier, [0x01, 1, 0xff], octets(octets(digest)));
  const toSign = sequence(
    element(0xa0, [TAG.integer, 1, 2]),
    unsigned(randomBytes(16)),
    ECDSA_WITH_SHA256,
    subject,
    sequence(utcTime(now - DAY_MS), utcTime(now + 7 * DAY_MS)),
    subject,
    publicKey(key),
    element(0xa3, sequence(alternativeNames([name]), acme)),
  );
  return toPem(sequence(toSign, ECDSA_WITH_SHA256, bits(signed(key, toSign))), "CERTIFICATE");
}

/** How an authority calls a certificate in renewal information: its issuer's key and its serial number. Undefined where it does not name that key. */
export function renewalId(certificate: string): string | undefined {
  const der = fromPem(certificate, "CERTIFICATE");
  if (der === undefined) return undefined;
  const fields = readAll(der)[0]?.inside[0]?.inside ?? [];
  const serial = fields.find(({ tag }) => tag === TAG.integer);
  const extensions = fields.find(({ tag }) => tag === 0xa3)?.inside[0]?.inside ?? [];
  const keyId = extensions.find((extension) => isCalled(extension, OID.authorityKeyId));
  const wrapped = keyId?.inside.find(({ tag }) => tag === TAG.octets)?.inside[0]?.inside;
  const id = wrapped?.find(({ tag }) => tag === 0x80);
  return id && serial && `${base64url(id.contents)}.${base64url(serial.contents)}`;
}

/** A pair for who is to see that there is none: self-signed, for a name that no host can have (RFC 2606). */
export function placeholder(now: number): { readonly chain: string; readonly key: string } {
  const key = newKey();
  return { chain: challengeCertificate(key, "no-certificate.invalid", "", now), key: keyPem(key) };
}

function isCalled(extension: Read, name: Uint8Array): boolean {
  const [id] = extension.inside;
  return id !== undefined && Buffer.from(id.contents).equals(name.subarray(2));
}

function alternativeNames(names: readonly string[]): Uint8Array {
  const all = names.map((name) =>
    isIpAddress(name) ? element(0x87, ipaddr.process(name).toByteArray()) : element(0x82, Buffer.from(name)),
  );
  return sequence(OID.subjectAltName, octets(sequence(...all)));
}

function publicKey(key: KeyObject): Uint8Array {
  // The key in JWK has the point; the rest of the structure is the same for every key on this curve (RFC 5480).
  const { x = "", y = "" } = key.export({ format: "jwk" });
  const point = Buffer.concat([Buffer.from([4]), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
  return sequence(sequence(objectId("1.2.840.10045.2.1"), objectId("1.2.840.10045.3.1.7")), bits(point));
}

/** ECDSA's two numbers as DER, which is node's form already. */
function signed(key: KeyObject, bytes: Uint8Array): Uint8Array {
  return sign("sha256", bytes, key);
}

export function base64url(bytes: Uint8Array | string): string {
  return Buffer.from(bytes as Uint8Array).toString("base64url");
}
