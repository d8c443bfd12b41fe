// Asks a tenement about ourselves: whether it heeds our forwarded headers, and whether it has what a tenant needs.
import { messageOf } from "../../core/fault.ts";
import type { Target } from "../../core/route.ts";
import { type Clock, createDeadline } from "../../platform/time/clock.ts";
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

export interface Asking {
  readonly upstream: Upstream;
  readonly clock: Clock;
}

/** Never rejects: who does not answer says nothing. */
export async function selfReportOf(asking: Asking, server: Server, target: Target): Promise<SelfReport> {
  try {
    const own: Fields = [["host", server.url.hostHeader]];
    const text = await get(asking, target, "/health", own, textOf);
    const said = JSON.parse(text) as Record<string, unknown> | null;
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

/** Whether a tenement answers under a Host that is nobody's: with nothing in front of it that routes by Host. No app is asked. */
export function isTenement(asking: Asking, target: Target): Promise<boolean> {
  return get(asking, target, "/health", PROBE, ({ fields }) =>
    fields.some(([name]) => /^x-ten-(error|instance)$/i.test(name)),
  );
}

/** Whether a server takes requests under any Host: it is a tenement that heeds the selector. Undefined when it does not answer. */
export async function takesAnyHost(
  asking: Asking,
  server: Server,
  target: Target,
): Promise<boolean | undefined> {
  try {
    if (!(await isTenement(asking, target))) return false;
    const { selector, trusted } = await selfReportOf(asking, server, target);
    // One of an older version does not speak of it, and heeds everybody.
    return selector ?? trusted !== undefined;
  } catch {
    return undefined;
  }
}

/**
 * A sentence about a tenement that does not serve the tenant, or undefined when all is well. `heedsUs`: whether it lets this slum say what to
 * serve; one that does not knows nobody whom slum asks for.
 */
export async function objectionTo(
  asking: Asking,
  { service, instance, server }: TenantRow,
  path: string,
  { target, fields }: Candidate,
  heedsUs: () => Promise<boolean>,
): Promise<string | undefined> {
  const name = instance === null ? service : `${service}:${instance}`;
  try {
    const error = await get(
      asking,
      target,
      path,
      fields,
      (answer) => answer.fields.find(([field]) => field.toLowerCase() === "x-ten-error")?.[1],
    );
    if (error === undefined) return undefined;
    if (error === "unknown_instance" && !(await heedsUs()))
      return `${server} does not heed this slum, so visitors get 404, whether it has ${name} or not: slum server check ${server} says what to write there`;
    return error === "unknown_instance"
      ? `${server} does not know ${name}; start it there: ten spawn ${instance === null ? `${name}:v1` : name}`
      : `${server} knows ${name}, but has nobody to serve it now (${error})`;
  } catch (thrown) {
    return `${server} could not be asked for ${name}: ${messageOf(thrown)}`;
  }
}

/** What `read` takes from the answer; the rest of its body is not waited for. */
async function get<T>(
  { upstream, clock }: Asking,
  target: Target,
  path: string,
  fields: Fields,
  read: (answer: UpstreamResponse) => T | Promise<T>,
): Promise<T> {
  using deadline = createDeadline(clock, 2 * TIMEOUT_MS);
  const answer = await upstream.send(
    target.address,
    { method: "GET", path, fields: [...fields, ["user-agent", "slum"], ["accept", "*/*"]], body: null },
    {
      connectTimeoutMs: TIMEOUT_MS,
      requestTimeoutMs: TIMEOUT_MS,
      streamIdleTimeoutMs: TIMEOUT_MS,
      signal: () => deadline.signal,
      onEnd: () => {},
    },
  );
  try {
    return await read(answer);
  } finally {
    if (answer.body instanceof ReadableStream && !answer.body.locked)
      void answer.body.cancel().catch(() => {});
  }
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
