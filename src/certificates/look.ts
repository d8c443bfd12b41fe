// What a stranger meets at a name of ours, looked at from here: its addresses, who answers on port 80, which certificate, and whether https leads in a circle.
import { randomBytes } from "node:crypto";
import { lookup } from "node:dns/promises";
import { connect } from "node:tls";
import { CHALLENGE_PATH } from "../core/http-challenge.ts";
import type { Clock } from "../platform/time/clock.ts";

export interface Looked {
  readonly addresses: readonly string[];
  /** The answer of DNS when there are none. */
  readonly dnsError: string | undefined;
  /** Who answers on port 80: us, another server with its status, or nobody. Undefined where there was no address to ask. */
  readonly answers: "us" | { readonly status: number } | "nobody" | undefined;
  /** What its port for https serves. Undefined where there is no handshake. */
  readonly tls: { readonly serial: string; readonly issuer: string; readonly notAfter: number } | undefined;
  /** https is answered with a redirect to itself: who ends TLS in front of us comes to us by http. */
  readonly circle: { readonly by: string | undefined } | undefined;
}

export interface LookOptions {
  /** Of the account's key; undefined where nothing is ordered: then nobody is known to be us. */
  readonly thumbprint: string | undefined;
  readonly clock: Clock;
  /** As visitors write it. */
  readonly httpsPort: number;
  /** An authority asks on 80, whatever port we listen on. */
  readonly httpPort?: number;
  readonly addressesOf?: (name: string) => Promise<readonly string[]>;
}

const LOOK_MS = 4_000;
const HTTP_PORT = 80;
/** More than the answer to a challenge of ours has. */
const ANSWER_BYTES = 1_024;

/** Of a name that is not ours nothing is asked: a token that may only look is no way to reach other machines from here. */
export const NOT_LOOKED_AT: Looked = {
  addresses: [],
  dnsError: undefined,
  answers: undefined,
  tls: undefined,
  circle: undefined,
};

/** Never rejects. A router that does not let us reach our own address from within looks like nobody. */
export async function lookAtName(name: string, options: LookOptions): Promise<Looked> {
  const nothing = { answers: undefined, tls: undefined, circle: undefined };
  if (name.startsWith("*.")) return { addresses: [], dnsError: undefined, ...nothing };
  const { addressesOf = ask } = options;
  const found = await addressesOf(name).then(
    (addresses) => ({ addresses, dnsError: addresses.length > 0 ? undefined : "no address" }),
    (thrown) => ({ addresses: [], dnsError: (thrown as NodeJS.ErrnoException).code ?? String(thrown) }),
  );
  const [address] = found.addresses;
  if (address === undefined) return { ...found, ...nothing };
  const [answers, tls, circle] = await Promise.all([
    whoAnswers(name, address, options),
    certificateAt(name, address, options),
    circleAt(name, address, options),
  ]);
  return { ...found, answers, tls, circle };
}

/** A sentence for the operator on where a name leads to; undefined for a wildcard, which leads nowhere itself. */
export function whereText(name: string, { addresses, dnsError, answers }: Looked): string | undefined {
  if (dnsError !== undefined) return `${name} has no address in DNS (${dnsError})`;
  if (answers === undefined) return undefined;
  const where = `${name} leads to ${addresses.slice(0, 4).join(", ")}`;
  if (answers === "us") return `${where}, and this server answers there`;
  if (answers === "nobody")
    return `${where}, where nothing answers on port 80 as seen from here: open the port, or point the name to this server`;
  return `${where}, where another server answers on port 80 (status ${answers.status}): point the name to this server`;
}

async function ask(name: string): Promise<string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

function originOf(scheme: string, address: string, port: number): string {
  return `${scheme}://${address.includes(":") ? `[${address}]` : address}:${port}`;
}

/** What an authority does when it validates. */
async function whoAnswers(name: string, address: string, options: LookOptions): Promise<Looked["answers"]> {
  const { thumbprint, httpPort = HTTP_PORT } = options;
  const token = randomBytes(24).toString("base64url");
  try {
    const answer = await fetch(`${originOf("http", address, httpPort)}${CHALLENGE_PATH}${token}`, {
      headers: { host: name },
      redirect: "manual",
      proxy: false,
      signal: AbortSignal.timeout(LOOK_MS),
    } as unknown as RequestInit);
    const text = (await beginningOf(answer)).trim();
    return thumbprint !== undefined && text === `${token}.${thumbprint}` ? "us" : { status: answer.status };
  } catch {
    return "nobody";
  }
}

/** Whoever answers there may send for ever: what comes after is not waited for, and not kept. */
async function beginningOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body ?? []) {
      chunks.push(chunk.subarray(0, ANSWER_BYTES));
      size += chunk.length;
      if (size >= ANSWER_BYTES) break;
    }
  } catch {
    // It said its status: somebody is there, though the rest does not come.
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Asks as a browser does, and follows nothing: a redirect to the very same address goes on for ever. */
async function circleAt(
  name: string,
  address: string,
  { httpsPort }: LookOptions,
): Promise<Looked["circle"]> {
  const shown = httpsPort === 443 ? name : `${name}:${httpsPort}`;
  try {
    const answer = await fetch(`${originOf("https", address, httpsPort)}/`, {
      method: "HEAD",
      headers: { host: shown },
      redirect: "manual",
      proxy: false,
      tls: { serverName: name, rejectUnauthorized: false },
      signal: AbortSignal.timeout(LOOK_MS),
    } as unknown as RequestInit);
    const to = new URL(answer.headers.get("location") ?? "", `https://${shown}/`).href;
    if (answer.status < 301 || answer.status > 308 || to !== `https://${shown}/`) return undefined;
    return { by: answer.headers.get("server")?.slice(0, 40) };
  } catch {
    return undefined;
  }
}

function certificateAt(
  name: string,
  address: string,
  { clock, httpsPort }: LookOptions,
): Promise<Looked["tls"]> {
  return new Promise((resolve) => {
    const finish = (found: Looked["tls"]) => {
      cancel();
      socket.destroy();
      resolve(found);
    };
    const socket = connect(
      { host: address, port: httpsPort, servername: name, rejectUnauthorized: false },
      () => {
        const { serialNumber, issuer, valid_to: end } = socket.getPeerCertificate();
        const organization = issuer?.O ?? issuer?.CN;
        finish({
          serial: String(serialNumber).toLowerCase(),
          issuer: typeof organization === "string" ? organization : "an unnamed issuer",
          notAfter: Date.parse(end),
        });
      },
    );
    const cancel = clock.after(LOOK_MS, () => finish(undefined));
    socket.on("error", () => finish(undefined));
  });
}
