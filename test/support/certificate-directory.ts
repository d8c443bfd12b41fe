// A directory of certificates as an operator keeps it: what `certificates` of a configuration names.
import { writeFileSync } from "node:fs";
import { makeCertificate, type TestAuthority } from "./make-certificate.ts";
import { createTempDir } from "./temp-dir.ts";

export interface CertificateDirectory extends Disposable {
  readonly path: string;
  /** Writes or replaces a file: a certificate for the names, what it was signed by, and its key. */
  put(file: string, ...names: string[]): void;
}

/** Signed by `by`; where that is no root itself, `chain` is what stands between. */
export function certificateDirectory(by: TestAuthority, chain = ""): CertificateDirectory {
  const temp = createTempDir();
  return {
    path: temp.path,
    put(file, ...names) {
      const { certificate, key } = makeCertificate(by, { names });
      writeFileSync(temp.file(file), `${certificate}${chain}${key}`, { mode: 0o600 });
    },
    [Symbol.dispose]: () => temp[Symbol.dispose](),
  };
}
