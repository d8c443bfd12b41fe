// Speaks ACME (RFC 8555) with one authority: its directory, nonces, signed requests, an account, and what orders are made of.
import { createHash, createHmac, createPublicKey, type KeyObject, sign } from "node:crypto";
import type { Binding } from "../../core/certificate-authority.ts";
import { parseRetryAfter } from "../../core/retry-after.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { base64url } from "../requests.ts";
import { AcmeProblem, problemFacts } from "./problem.ts";

export interface Directory {
  readonly newNonce: string;
  readonly newAccount: string;
  readonly newOrder: string;
  readonly revokeCert: string | undefined;
  /** Where renewal information is asked for (RFC 9773); undefined where the authority has none. */
  readonly renewalInfo: string | undefined;
  readonly profiles: readonly string[];
  readonly needsBinding: boolean;
}

export interface AcmeClientOptions {
  /** The directory's URL. */
  readonly url: string;
  /** The account's key: ECDSA on P-256. */
  readonly key: KeyObject;
  readonly clock: Clock;
  readonly userAgent: string;
  /** Roots in PEM to trust instead of the public ones. */
  readonly roots?: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed where it is JSON, else a text. */
  readonly body: unknown;
}

const TIMEOUT_MS = 30_000;
const BODY_MOST_BYTES = 1 << 20;
const NONCES_KEPT = 16;
/** An authority may refuse good nonces at will; each refusal brings a new one. */
const NONCE_TRIES = 10;
const DIRECTORY_KEPT_MS = 3_600_000;

export class AcmeClient {
  readonly #options: AcmeClientOptions;
  readonly #jwk: { readonly crv: string; readonly kty: string; readonly x: string; readonly y: string };
  readonly #nonces: string[] = [];
  #directory: { readonly value: Directory; readonly at: number } | undefined;
  /** The account's URL, once it is known. */
  kid: string | undefined;
  /** How far its clock is ahead of ours, by its last answer; undefined where it does not say. */
  clockAheadMs: number | undefined;

  constructor(options: AcmeClientOptions) {
    this.#options = options;
    this.#jwk = jwkOf(options.key);
  }

  get authority(): string {
    return new URL(this.#options.url).host;
  }

  async directory(): Promise<Directory> {
    const { clock, url } = this.#options;
    const known = this.#directory;
    if (known && clock.monotonic() - known.at < DIRECTORY_KEPT_MS) return known.value;
    const { body, status } = await this.#send(url, { method: "GET" });
    const value = readDirectory(body);
    if (status !== 200 || value === undefined)
      throw this.problem({
        type: "garbage",
        detail: `${url} is no ACME directory (status ${status})`,
        status,
      });
    this.#directory = { value, at: clock.monotonic() };
    return value;
  }

  /** Makes the account, or finds the one that this key has; resolves with its URL. */
  async register(email: string | undefined, binding: Binding | undefined): Promise<string> {
    const { newAccount, needsBinding } = await this.directory();
    if (needsBinding && binding === undefined)
      throw this.problem({
        type: "externalAccountRequired",
        detail: "it wants an account of its own: give its key id and HMAC key",
      });
    const payload = {
      termsOfServiceAgreed: true,
      ...(email !== undefined && { contact: [`mailto:${email}`] }),
      ...(binding && { externalAccountBinding: this.#bind(binding, newAccount) }),
    };
    this.kid = undefined;
    const { headers } = await this.post(newAccount, payload);
    const kid = headers.get("location");
    if (kid === null) throw this.problem({ type: "garbage", detail: "an account without a URL" });
    this.kid = kid;
    return kid;
  }

  /** A signed request; a payload of "" is POST-as-GET. Rejects with an AcmeProblem for every answer that is no success. */
  async post(url: string, payload: unknown = ""): Promise<Answer> {
    for (let left = NONCE_TRIES; ; left--) {
      const nonce = this.#nonces.pop() ?? (await this.#newNonce());
      const who = this.kid === undefined ? { jwk: this.#jwk } : { kid: this.kid };
      const body = JSON.stringify(this.#signed({ alg: "ES256", nonce, url, ...who }, payload));
      const headers = { "content-type": "application/jose+json" };
      const answer = await this.#send(url, { method: "POST", headers, body });
      if (answer.status < 300) return answer;
      const facts = problemFacts(answer.body, answer.status, this.retryAfter(answer));
      if (facts.type !== "badNonce" || left <= 1) throw this.problem(facts);
    }
  }

  /** A request without a signature, for what is public; undefined when the answer is no success. */
  async get(url: string): Promise<Answer | undefined> {
    const answer = await this.#send(url, { method: "GET" });
    return answer.status === 200 ? answer : undefined;
  }

  retryAfter({ headers }: Answer): number | undefined {
    return parseRetryAfter(headers.get("retry-after") ?? undefined, this.#options.clock.now());
  }

  problem(facts: ConstructorParameters<typeof AcmeProblem>[1]): AcmeProblem {
    return new AcmeProblem(this.authority, facts);
  }

  async #newNonce(): Promise<string> {
    const { newNonce } = await this.directory();
    await this.#send(newNonce, { method: "HEAD" });
    const nonce = this.#nonces.pop();
    if (nonce === undefined)
      throw this.problem({ type: "garbage", detail: "no nonce where there should be one" });
    return nonce;
  }

  async #send(url: string, init: RequestInit): Promise<Answer> {
    const { roots, userAgent, url: directory } = this.#options;
    // An authority never sends us from https to http, nor to another scheme.
    if (!url.startsWith("https:") && !directory.startsWith("http:"))
      throw this.problem({ type: "garbage", detail: `${url} is no https address` });
    let response: Response;
    let text: string;
    try {
      response = await fetch(url, {
        ...init,
        headers: { "user-agent": userAgent, ...init.headers },
        redirect: "error",
        tls: { rejectUnauthorized: true, ...(roots !== undefined && { ca: roots }) },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      text = await readText(response);
    } catch (thrown) {
      throw this.problem({ type: "unreachable", detail: reasonOf(thrown, this.#options.clock.now()) });
    }
    const date = Date.parse(response.headers.get("date") ?? "");
    if (!Number.isNaN(date)) this.clockAheadMs = date - this.#options.clock.now();
    const nonce = response.headers.get("replay-nonce");
    if (nonce !== null && this.#nonces.push(nonce) > NONCES_KEPT) this.#nonces.shift();
    return { status: response.status, headers: response.headers, body: parsed(text, response.headers) };
  }

  #signed(header: Record<string, unknown>, payload: unknown) {
    const first = base64url(JSON.stringify(header));
    const second = payload === "" ? "" : base64url(JSON.stringify(payload));
    const bytes = Buffer.from(`${first}.${second}`);
    const signature = sign("sha256", bytes, { key: this.#options.key, dsaEncoding: "ieee-p1363" });
    return { protected: first, payload: second, signature: base64url(signature) };
  }

  #bind({ kid, hmac }: Binding, url: string) {
    const first = base64url(JSON.stringify({ alg: "HS256", kid, url }));
    const second = base64url(JSON.stringify(this.#jwk));
    const signature = createHmac("sha256", Buffer.from(hmac, "base64url"))
      .update(`${first}.${second}`)
      .digest();
    return { protected: first, payload: second, signature: base64url(signature) };
  }
}

/** Of the account's key (RFC 7638); `TOKEN.THUMBPRINT` answers a challenge. */
export function thumbprint(key: KeyObject): string {
  return base64url(
    createHash("sha256")
      .update(JSON.stringify(jwkOf(key)))
      .digest(),
  );
}

/** The members of the public key that count, in the order in which they are hashed. */
function jwkOf(key: KeyObject) {
  const { crv = "", kty = "", x = "", y = "" } = createPublicKey(key).export({ format: "jwk" });
  return { crv, kty, x, y };
}

function readDirectory(body: unknown): Directory | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const fields = body as Record<string, unknown>;
  const { newNonce, newAccount, newOrder } = fields;
  if (typeof newNonce !== "string" || typeof newAccount !== "string" || typeof newOrder !== "string")
    return undefined;
  const text = (value: unknown) => (typeof value === "string" ? value : undefined);
  const meta = (typeof fields.meta === "object" && fields.meta !== null ? fields.meta : {}) as Record<
    string,
    unknown
  >;
  return {
    newNonce,
    newAccount,
    newOrder,
    revokeCert: text(fields.revokeCert),
    renewalInfo: text(fields.renewalInfo),
    profiles: typeof meta.profiles === "object" && meta.profiles !== null ? Object.keys(meta.profiles) : [],
    needsBinding: meta.externalAccountRequired === true,
  };
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > BODY_MOST_BYTES) throw new Error("an answer of more than 1 MB");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parsed(text: string, headers: Headers): unknown {
  if (!/\bjson\b/.test(headers.get("content-type") ?? "")) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Bun's own words speak of its API; its codes say what was. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ConnectionRefused: "connection refused",
  ECONNRESET: "the connection was closed",
  ConnectionClosed: "the connection was closed",
  ENOTFOUND: "its name has no address in DNS",
  FailedToOpenSocket: "its name has no address in DNS, or no way leads there",
  EHOSTUNREACH: "no way leads there",
  ENETUNREACH: "no way leads there",
  TimeoutError: `no answer within ${TIMEOUT_MS / 1000} s`,
};

function reasonOf(thrown: unknown, now: number): string {
  const { code = "", name = "", message } = thrown as { code?: string; name?: string; message?: string };
  const clock = /EXPIRED|NOT_YET_VALID/.test(code)
    ? `; the clock of this machine says ${new Date(now).toISOString()}`
    : "";
  const known = REASONS[name === "TimeoutError" ? name : code];
  return `cannot be reached: ${known ?? `${message ?? String(thrown)} (${code || name})`}${clock}`;
}
