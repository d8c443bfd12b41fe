// A certificate with its chain and key, read and checked as a whole: what has passed here can be served.
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext, rootCertificates } from "node:tls";
import type { Life } from "../core/certificate-schedule.ts";
import { Fault, messageOf } from "../core/fault.ts";
import { isIpAddress } from "../core/ip-address.ts";
import { quote } from "../core/quote.ts";
import { canonicalServerName } from "../core/server-name.ts";
import { systemReason } from "../core/system-error.ts";

export interface Certificate {
  /** What it covers: host names, wildcards, addresses; at least one. */
  readonly names: readonly string[];
  /** The certificate itself, then what leads to a root, in PEM. */
  readonly chain: string;
  readonly key: string;
  /** Who has signed it, in words. */
  readonly issuer: string;
  /** Hexadecimal. */
  readonly serial: string;
  readonly life: Life;
}

const CERTIFICATES = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const KEY = /-----BEGIN ((?:EC |RSA |ENCRYPTED )?PRIVATE KEY)-----[\s\S]+?-----END \1-----/;
/** Clocks of machines that are otherwise well differ by as much. */
const CLOCK_SKEW_MS = 3_600_000;

/**
 * Reads PEM with certificates and a key, in one text or two. `from` is what messages call it. A usage fault when a part is missing
 * or unreadable, the key does not fit, a link of the chain is missing, or its time is over or has not come.
 */
export function readCertificate(text: string, from: string, now: number): Certificate {
  const refuse = (reason: string, hint: string): never => {
    throw new Fault("usage", `${from}: ${reason}`, hint);
  };
  const blocks = text.match(CERTIFICATES) ?? [];
  if (blocks.length === 0)
    refuse("there is no certificate in it", "give a file in PEM: -----BEGIN CERTIFICATE-----");
  const parsed = blocks.map((block) => parse(block, refuse));
  const key = readKey(text, refuse);
  const leaf = parsed[0] as X509Certificate;
  if (!leaf.checkPrivateKey(key)) {
    const isLater = parsed.some((one) => one.checkPrivateKey(key));
    refuse(
      isLater
        ? "the certificate does not come first, before its chain"
        : "the key does not belong to the certificate",
      isLater
        ? "put it before the certificates that lead to a root"
        : "give the key that the certificate was requested with",
    );
  }
  const life = { notBefore: leaf.validFromDate.getTime(), notAfter: leaf.validToDate.getTime() };
  checkLife(life, now, refuse);
  checkChain(parsed, refuse);
  const names = namesOf(leaf);
  if (names.length === 0) refuse("the certificate names no host", "it needs a Subject Alternative Name");
  const certificate = {
    names,
    chain: `${blocks.join("\n")}\n`,
    key: key.export({ type: "pkcs8", format: "pem" }) as string,
    issuer: issuerOf(leaf),
    serial: leaf.serialNumber.toLowerCase(),
    life,
  };
  try {
    createSecureContext({ cert: certificate.chain, key: certificate.key });
  } catch (thrown) {
    refuse(
      `TLS does not take it: ${messageOf(thrown)}`,
      "a key of ECDSA P-256, or RSA of 2048 bits or more, is needed",
    );
  }
  return certificate;
}

/** The text of a file of roots, once every certificate in it could be read; a usage fault that names `setting` otherwise. */
export function readRoots(path: string, setting: string): string {
  try {
    const text = readFileSync(path, "utf8");
    const found = text.match(CERTIFICATES) ?? [];
    if (found.length === 0) throw new Error("there is none in it");
    for (const certificate of found) new X509Certificate(certificate);
    return text;
  } catch (thrown) {
    throw new Fault(
      "usage",
      `no certificate can be read from ${setting} ${quote(path)}: ${systemReason(thrown)}`,
      "give a file of certificates in PEM",
    );
  }
}

/** The common name of who has signed the last certificate of a chain: the root that it leads to. Undefined for what is no chain. */
export function rootOf(chain: string): string | undefined {
  const last = chain.match(CERTIFICATES)?.at(-1);
  try {
    return last === undefined ? undefined : commonName(new X509Certificate(last).issuer);
  } catch {
    return undefined;
  }
}

/** The first certificate of a chain, in PEM. */
export function leafOf(chain: string): string | undefined {
  return chain.match(CERTIFICATES)?.[0];
}

type Refuse = (reason: string, hint: string) => never;

function parse(block: string, refuse: Refuse): X509Certificate {
  try {
    return new X509Certificate(block);
  } catch (thrown) {
    return refuse(`a certificate in it cannot be read: ${messageOf(thrown)}`, "write the file again, in PEM");
  }
}

function readKey(text: string, refuse: Refuse): KeyObject {
  const block = KEY.exec(text)?.[0];
  if (block === undefined)
    return refuse("there is no private key to it", "NAME.key beside NAME.crt, or both in one file");
  if (/ENCRYPTED/.test(block))
    return refuse(
      "the key is encrypted",
      "openssl pkey -in NAME.key -out NAME.key writes it without a password",
    );
  try {
    return createPrivateKey(block);
  } catch (thrown) {
    return refuse(`the key cannot be read: ${messageOf(thrown)}`, "write it again, in PEM");
  }
}

function checkLife({ notBefore, notAfter }: Life, now: number, refuse: Refuse): void {
  const here = `the clock of this machine says ${dateOf(now)}`;
  if (now >= notAfter)
    refuse(`the certificate expired on ${dateOf(notAfter)}; ${here}`, "renew it, or set the clock");
  if (now < notBefore - CLOCK_SKEW_MS)
    refuse(
      `the certificate begins on ${dateOf(notBefore)}; ${here}`,
      "set the clock of this machine (timedatectl)",
    );
}

/**
 * Each certificate signed by the next, and the last by itself or by a public root. One that was signed by an unknown
 * root is a private authority's, unless it says itself where its issuer is to be had: then that one is missing.
 */
function checkChain(chain: readonly X509Certificate[], refuse: Refuse): void {
  chain.slice(1).forEach((issuer, index) => {
    const signed = chain[index] as X509Certificate;
    if (!signed.checkIssued(issuer) || !signed.verify(issuer.publicKey))
      refuse(
        `the chain is broken: ${quote(commonName(signed.subject))} was not signed by ${quote(commonName(issuer.subject))}`,
        "each certificate is followed by the one that has signed it",
      );
  });
  const last = chain.at(-1) as X509Certificate;
  const isRoot = last.checkIssued(last);
  if (isRoot || !/CA Issuers/.test(last.infoAccess ?? "") || isPubliclyRooted(last)) return;
  refuse(
    `the intermediate certificate is missing: ${quote(commonName(last.issuer))} has signed the last one in it, and is no root`,
    "use the full chain (fullchain.pem)",
  );
}

let roots: readonly X509Certificate[] | undefined;

function isPubliclyRooted(last: X509Certificate): boolean {
  roots ??= rootCertificates.map((root) => new X509Certificate(root));
  return roots.some((root) => last.checkIssued(root));
}

function namesOf({ subjectAltName = "" }: X509Certificate): string[] {
  return subjectAltName.split(", ").flatMap((entry) => {
    const [kind = "", value = ""] = [entry.slice(0, entry.indexOf(":")), entry.slice(entry.indexOf(":") + 1)];
    if (kind === "IP Address") return isIpAddress(value) ? [value] : [];
    if (kind !== "DNS") return [];
    const wildcard = value.startsWith("*.") ? "*." : "";
    const name = canonicalServerName(value.slice(wildcard.length));
    return name === undefined ? [] : [wildcard + name];
  });
}

function issuerOf({ issuer }: X509Certificate): string {
  const organization = /^O=(.+)$/m.exec(issuer)?.[1];
  return [organization, commonName(issuer)].filter(Boolean).join(" ");
}

/** The most telling part of a distinguished name. */
function commonName(name: string): string {
  return /^CN=(.+)$/m.exec(name)?.[1] ?? name.split("\n").at(-1) ?? name;
}

function dateOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
