// Asks a tenement about ourselves: whether it heeds our forwarded headers, and whether it has what a tenant needs.
import { messageOf } from "../../core/fault.ts";
import type { Target } from "../../core/route.ts";
import type { Candidate } from "../../proxy/failover/failover.ts";
import type { Fields, Upstream, UpstreamResponse } from "../../proxy/http-client.ts";
import type { TenantRow } from "../registry/schema.ts";
import { SELECTOR } from "./routes.ts";
import type { Server } from "./server.ts";

/** What a server says of itself at /health, as far as it does. */
export interface SelfReport {
  /** Our address as the server sees it. */
  readonly peer: string | undefined;
  readonly trusted: boolean | undefined;
  /** Whether it heeds the field by which we say what to serve. */
  readonly selector: boolean | undefined;
  /** The name of the slum that answered: a server that is one. */
  readonly slum: string | undefined;
}

const TIMEOUT_MS = 2_000;
export const NO_REPORT: SelfReport = {
  peer: undefined,
  trusted: undefined,
  selector: undefined,
  slum: undefined,
};

/** Never rejects: who does not answer says nothing. */
export async function selfReportOf(upstream: Upstream, server: Server, target: Target): Promise<SelfReport> {
  try {
    const answer = await get(upstream, target, "/health", [["host", server.url.hostHeader]]);
    const said = JSON.parse(await textOf(answer)) as Record<string, unknown> | null;
    return {
      peer: typeof said?.peer === "string" ? said.peer : undefined,
      trusted: typeof said?.trusted === "boolean" ? said.trusted : undefined,
      selector: typeof said?.selector === "boolean" ? said.selector : undefined,
      slum: typeof said?.slum === "string" ? said.slum : undefined,
    };
  } catch {
    return NO_REPORT;
  }
}

/** No host of anybody (RFC 2606), and a service that no tenement has. */
const PROBE: Fields = [
  ["host", "probe.invalid"],
  [SELECTOR, "slum-probe"],
];

/**
 * Whether a server takes requests under any Host: it is a tenement that heeds the selector, with nothing in front of it that
 * routes by Host. Undefined when it does not answer. No app is asked.
 */
export async function takesAnyHost(
  upstream: Upstream,
  server: Server,
  target: Target,
): Promise<boolean | undefined> {
  try {
    const { fields, body } = await get(upstream, target, "/health", PROBE);
    if (body instanceof ReadableStream) void body.cancel().catch(() => {});
    const isTenement = fields.some(([name]) => /^x-ten-(error|instance)$/i.test(name));
    if (!isTenement) return false;
    const { selector, trusted } = await selfReportOf(upstream, server, target);
    // One of an older version does not speak of it, and heeds everybody.
    return selector ?? trusted !== undefined;
  } catch {
    return undefined;
  }
}

/** A sentence about a tenement that does not serve the tenant, or undefined when all is well. */
export async function objectionTo(
  upstream: Upstream,
  { service, instance, server }: TenantRow,
  path: string,
  { target, fields }: Candidate,
): Promise<string | undefined> {
  const name = instance === null ? service : `${service}:${instance}`;
  try {
    const answer = await get(upstream, target, path, fields);
    if (answer.body instanceof ReadableStream) void answer.body.cancel().catch(() => {});
    const error = answer.fields.find(([field]) => field.toLowerCase() === "x-ten-error")?.[1];
    if (error === undefined) return undefined;
    return error === "unknown_instance"
      ? `${server} does not know ${name}; start it there: ten spawn ${instance === null ? `${name}:v1` : name}`
      : `${server} knows ${name}, but has nobody to serve it now (${error})`;
  } catch (thrown) {
    return `${server} could not be asked for ${name}: ${messageOf(thrown)}`;
  }
}

function get(upstream: Upstream, target: Target, path: string, fields: Fields): Promise<UpstreamResponse> {
  return upstream.send(
    target.address,
    { method: "GET", path, fields: [...fields, ["user-agent", "slum"], ["accept", "*/*"]], body: null },
    {
      connectTimeoutMs: TIMEOUT_MS,
      requestTimeoutMs: TIMEOUT_MS,
      streamIdleTimeoutMs: TIMEOUT_MS,
      signal: () => AbortSignal.timeout(2 * TIMEOUT_MS),
      onEnd: () => {},
    },
  );
}

const TEXT_MAX_BYTES = 4_096;

/** A short body; a longer one is nothing that we asked for. */
async function textOf({ body }: UpstreamResponse): Promise<string> {
  if (body === null) return "";
  if (body instanceof Uint8Array) return Buffer.from(body.subarray(0, TEXT_MAX_BYTES)).toString("utf8");
  const reader = body.getReader();
  let text = "";
  while (text.length < TEXT_MAX_BYTES) {
    const { done, value } = await reader.read();
    if (done) return text;
    text += Buffer.from(value).toString("utf8");
  }
  await reader.cancel();
  return text;
}
