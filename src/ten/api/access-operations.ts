// The operations on the access log: its last lines, and further ones, for who may see the service.
import { z } from "zod";
import { count } from "../../api/fields.ts";
import { defineContract } from "../../api/operation.ts";
import { mayUse, type Principal } from "../../api/principal.ts";
import type { Handler } from "../../api/server.ts";
import { Fault } from "../../core/fault.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Config } from "../config/config.ts";
import { type AccessLine, furtherLines, lastLines } from "../logs/access-lines.ts";
import { service } from "./shapes.ts";

const query = z.strictObject({
  service: service.optional(),
  /** `404`, or `5xx` for all of a class. */
  status: z
    .string()
    .regex(/^[1-5](?:xx|\d\d)$/, "a status such as 404, or 5xx for all of a class")
    .optional(),
  /** Only what took at least so long, in milliseconds. */
  slow_ms: z.coerce.number().min(0).optional(),
  limit: count(100, 10_000),
});
type Query = z.output<typeof query>;

const accessLine = z.object({
  time: z.string(),
  id: z.string(),
  client: z.string(),
  host: z.string(),
  method: z.string(),
  path: z.string(),
  /** 0: it ended before it was answered. */
  status: z.number(),
  /** Of the answer's body, as it was sent. */
  bytes: z.number(),
  ms_head: z.number(),
  ms: z.number(),
  service: z.string(),
  instance: z.string().nullable(),
  version: z.string().nullable(),
  attempts: z.number(),
  /** Why the proxy answered itself, or the answer is not whole; null: neither. */
  reason: z.string().nullable(),
  agent: z.string(),
  trace_id: z.string().optional(),
  span_id: z.string().optional(),
});
export type AccessView = z.output<typeof accessLine>;

export const accessOperations = defineContract({
  access: {
    summary: "The last requests in the access log, of services that have one",
    method: "GET",
    path: "/api/access",
    scope: "read",
    tenants: true,
    query,
    answer: z.object({ requests: z.array(accessLine) }),
  },
  followAccess: {
    summary: "The last requests in the access log, and every further one as it is written",
    method: "GET",
    path: "/api/access/stream",
    scope: "read",
    tenants: true,
    transport: "events",
    query,
    answer: accessLine,
  },
});

interface Parts {
  readonly path: string;
  readonly clock: Clock;
  config(): Config;
}

type Operations = typeof accessOperations;
type Asked = Parameters<Handler<Operations["followAccess"]>>[0];

export function accessHandlers({ path, clock, config }: Parts): {
  readonly [K in keyof Operations]: Handler<Operations[K]>;
} {
  function requireLog(asked: string | undefined): void {
    const { settings, services } = config();
    const { to, format } = settings.accessLog;
    if (to === "stdout" || format === "combined")
      throw new Fault(
        "conflict",
        to === "stdout"
          ? "the access log goes to the standard output of ten serve"
          : `${path} is in the combined format`,
        to === "stdout" ? "read it there: journalctl -u ten" : `read it there: tail -f ${path}`,
      );
    const named = asked === undefined ? [...services.values()] : [services.get(asked)];
    if (named.some((one) => one?.policy.accessLog !== undefined)) return;
    throw new Fault(
      "not_found",
      asked === undefined ? "no service has an access log" : `${asked} has no access log`,
      'set access_log = "errors", "all" or "sample:0.01" in [service.NAME], then: ten reload',
    );
  }

  async function* follow({ query, principal, signal }: Asked): AsyncIterable<AccessView> {
    const isMeant = meantBy(query, principal);
    const { lines, end } = await lastLines(path, query.limit, isMeant);
    yield* lines as unknown as AccessView[];
    yield* furtherLines(path, end, isMeant, {
      clock,
      signal,
    }) as AsyncIterable<unknown> as AsyncIterable<AccessView>;
  }

  return {
    async access({ query, principal }) {
      requireLog(query.service);
      const { lines } = await lastLines(path, query.limit, meantBy(query, principal));
      return { requests: lines as unknown as AccessView[] };
    },
    followAccess(asked) {
      requireLog(asked.query.service);
      return follow(asked);
    },
  };
}

function meantBy(query: Query, principal: Principal): (line: AccessLine) => boolean {
  return (line) => isShown(line, principal) && fits(line, query);
}

/** A tenant sees what its own instances have answered, and nobody else's visitors. */
function isShown({ service, instance }: AccessLine, principal: Principal): boolean {
  if (typeof service !== "string" || !mayUse(principal, service)) return false;
  return principal.tenant === undefined || instance === `${service}:${principal.tenant}`;
}

function fits(line: AccessLine, { service, status, slow_ms: slowMs }: Query): boolean {
  if (service !== undefined && line.service !== service) return false;
  if (slowMs !== undefined && Number(line.ms) < slowMs) return false;
  if (status === undefined) return true;
  const had = String(line.status);
  return status.endsWith("xx") ? had.startsWith(status.charAt(0)) && had.length === 3 : had === status;
}
