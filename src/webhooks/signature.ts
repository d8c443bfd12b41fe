// Standard Webhooks signatures: HMAC-SHA256 over `id.timestamp.body`, by the key inside a `whsec_` secret.
import { createHmac, randomBytes } from "node:crypto";

const PREFIX = "whsec_";
const SECRET_BYTES = 32;

/** A new secret: 32 random bytes. */
export function newSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString("base64");
}

export interface Message {
  /** The same for every try, so that a receiver can tell that it has seen it. */
  readonly id: string;
  readonly timestampSecs: number;
  readonly body: string;
}

/** The headers of one try; one signature for each secret, newest first, so that a rotation breaks no receiver. */
export function signedHeaders(message: Message, secrets: readonly string[]): [string, string][] {
  return [
    ["webhook-id", message.id],
    ["webhook-timestamp", String(message.timestampSecs)],
    ["webhook-signature", secrets.map((secret) => `v1,${sign(message, secret)}`).join(" ")],
  ];
}

function sign({ id, timestampSecs, body }: Message, secret: string): string {
  const key = Buffer.from(secret.slice(PREFIX.length), "base64");
  return createHmac("sha256", key).update(`${id}.${timestampSecs}.${body}`).digest("base64");
}
