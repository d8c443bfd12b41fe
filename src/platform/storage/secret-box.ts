// Encrypts secrets at rest with a key file beside them: AES-256-GCM, and each text says which key it needs.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { Fault } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import { readSecret, writeSecret } from "./atomic-file.ts";

export interface SecretBox {
  /** `context` is what the secret belongs to: it opens for that and nothing else. */
  seal(secret: string, context: string): string;
  /** Undefined when it was sealed with another key, or for something else. */
  open(sealed: string, context: string): string | undefined;
}

const PREFIX = "enc1:";
const CIPHER = "aes-256-gcm";
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Whether a text is one that a box has made. */
export function isSealed(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** The key is read from `path` when it is needed first, and made there when there is none to seal with. Throws a usage fault for what is no key. */
export function openSecretBox(path: string): SecretBox {
  let known: Buffer | undefined;

  function key(): Buffer | undefined {
    const text = known === undefined ? readSecret(path) : undefined;
    if (text !== undefined) known = parseKey(text, path);
    return known;
  }

  function makeKey(): Buffer {
    const fresh = randomBytes(KEY_BYTES);
    writeSecret(path, fresh.toString("base64"));
    known = fresh;
    return fresh;
  }

  return {
    seal(secret, context) {
      const by = key() ?? makeKey();
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, by, nonce).setAAD(Buffer.from(context));
      const body = Buffer.concat([cipher.update(secret, "utf8"), cipher.final()]);
      const packed = Buffer.concat([nonce, cipher.getAuthTag(), body]).toString("base64");
      return `${PREFIX}${idOf(by)}:${packed}`;
    },
    open(sealed, context) {
      const by = key();
      const [, id, packed] = sealed.split(":");
      if (by === undefined || id !== idOf(by) || packed === undefined) return undefined;
      try {
        return decrypt(Buffer.from(packed, "base64"), by, context);
      } catch {
        return undefined;
      }
    },
  };
}

/** Throws when a single bit of it is other than it was. */
function decrypt(bytes: Buffer, key: Buffer, context: string): string {
  const head = NONCE_BYTES + TAG_BYTES;
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES))
    .setAAD(Buffer.from(context))
    .setAuthTag(bytes.subarray(NONCE_BYTES, head));
  return decipher.update(bytes.subarray(head), undefined, "utf8") + decipher.final("utf8");
}

function parseKey(text: string, path: string): Buffer {
  const key = Buffer.from(text, "base64");
  if (key.length === KEY_BYTES) return key;
  throw new Fault(
    "usage",
    `${quote(path)} is not a key: it has to be ${KEY_BYTES} bytes in base64`,
    "put the right file back; a new key: head -c 32 /dev/urandom | base64",
  );
}

/** Tells keys apart, and nothing else. */
function idOf(key: Buffer): string {
  return createHash("sha256").update(key).digest("hex").slice(0, 8);
}
