// Bearer tokens: made once, shown once, kept only as a hash.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

const TOKEN_BYTES = 32;

/** 32 random bytes as 43 characters that need no quoting anywhere; one that begins as a flag does is drawn again. */
export function newToken(): string {
  for (;;) {
    const token = randomBytes(TOKEN_BYTES).toString("base64url");
    if (!token.startsWith("-")) return token;
  }
}

/** What is stored of a token: SHA-256 in hex. A plain hash is enough, as 32 random bytes cannot be guessed from it. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** Whether `hash` is that of `token`, in a time that does not depend on how much of it is right. */
export function tokenMatches(token: string, hash: string): boolean {
  return sameHash(hashToken(token), hash);
}

/** The same of a token's hash. */
export function sameHash(one: string, other: string): boolean {
  const given = Buffer.from(one, "hex");
  const stored = Buffer.from(other, "hex");
  return stored.length === given.length && timingSafeEqual(given, stored);
}
