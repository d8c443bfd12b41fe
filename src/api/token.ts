// Bearer tokens: made once, shown once, kept only as a hash; their form tells a mistyped one from one that is not known.
import { createHash, randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";

const TOKEN_BYTES = 32;
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_CHARS = 43;
const CHECKSUM_CHARS = 6;
const FORM = new RegExp(`^(ten|slum)_([0-9A-Za-z]{${RANDOM_CHARS}})([0-9A-Za-z]{${CHECKSUM_CHARS}})$`);

/** `ten_`, 32 random bytes in base62, and a checksum of those: what scanners for secrets find in a repository. */
export function newToken(program: string): string {
  const random = base62(BigInt(`0x${randomBytes(TOKEN_BYTES).toString("hex")}`), RANDOM_CHARS);
  return `${program}_${random}${checksumOf(random)}`;
}

/** 32 random bytes for one use by us: the id of a session, the code of a link. */
export function newSecret(): string {
  return randomBytes(TOKEN_BYTES).toString("base64url");
}

/**
 * What can be told of a token without asking anybody: `mistyped` when its checksum does not fit, `foreign` when it is of the
 * other program, `plain` when it has no form, as those had that were made before there was one.
 */
export function formOf(token: string, program: string): "right" | "mistyped" | "foreign" | "plain" {
  const [, prefix, random = "", checksum] = FORM.exec(token) ?? [];
  if (prefix === undefined) return /^(ten|slum)_/.test(token) ? "mistyped" : "plain";
  if (checksumOf(random) !== checksum) return "mistyped";
  return prefix === program ? "right" : "foreign";
}

/** What is stored of a token: SHA-256 in hex. A plain hash is enough, as 32 random bytes cannot be guessed from it. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

function checksumOf(random: string): string {
  return base62(BigInt(crc32(random)), CHECKSUM_CHARS);
}

function base62(value: bigint, chars: number): string {
  let text = "";
  for (let rest = value; text.length < chars; rest /= 62n) text = `${DIGITS[Number(rest % 62n)]}${text}`;
  return text;
}
