// The roots of `serve --ca`: certificates of one's own that vouch for https servers.
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { Fault, messageOf } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The file's text, once every certificate in it could be read; a usage fault otherwise. */
export function readCaFile(path: string): string {
  try {
    const text = readFileSync(path, "utf8");
    const found = text.match(CERTIFICATE) ?? [];
    if (found.length === 0) throw new Error("there is none in it");
    for (const certificate of found) new X509Certificate(certificate);
    return text;
  } catch (thrown) {
    throw new Fault(
      "usage",
      `no certificate can be read from --ca ${quote(path)}: ${messageOf(thrown)}`,
      "give a file of certificates in PEM",
    );
  }
}
