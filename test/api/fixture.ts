// A small admin API with one operation of every kind, served on a real socket or port.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { createAccess, type Peer } from "../../src/api/access.ts";
import { createActing } from "../../src/api/acting.ts";
import { createBrowser, type PageFile } from "../../src/api/browser.ts";
import { createClient } from "../../src/api/client.ts";
import { listenAdmin } from "../../src/api/listen.ts";
import { defineContract } from "../../src/api/operation.ts";
import { createApi, type Handlers } from "../../src/api/server.ts";
import { createSessions } from "../../src/api/session.ts";
import { listenSocket, type RefusePeer } from "../../src/api/socket-listener.ts";
import { createTokens, type TokenTable } from "../../src/api/tokens.ts";
import { Fault } from "../../src/core/fault.ts";
import type { Clock } from "../../src/platform/time/clock.ts";
import { systemClock } from "../../src/platform/time/clock.ts";
import { memoryTokens, tokenRow } from "./token-table.ts";

export const contract = defineContract({
  hello: {
    summary: "who is there",
    method: "GET",
    path: "/health",
    scope: "open",
    answer: z.object({ status: z.string(), door: z.string() }),
  },
  list: {
    summary: "all things",
    method: "GET",
    path: "/api/things",
    scope: "read",
    tenants: true,
    query: z.strictObject({ limit: z.coerce.number().int().min(1).max(5).default(2) }),
    answer: z.object({ things: z.array(z.string()), scope: z.string() }),
  },
  weigh: {
    summary: "set a weight",
    method: "PUT",
    path: "/api/things/:id/weight",
    scope: "admin",
    body: z.strictObject({ weight: z.number().min(0).max(100) }),
    answer: z.object({ id: z.string(), weight: z.number() }),
  },
  breakDown: {
    summary: "a defect",
    method: "POST",
    path: "/api/break",
    scope: "admin",
    answer: z.object({}),
  },
  metrics: {
    summary: "numbers",
    method: "GET",
    path: "/metrics",
    scope: "admin",
    transport: "text",
    answer: z.string(),
  },
  deploy: {
    summary: "takes its time",
    method: "POST",
    path: "/api/deploy",
    scope: "admin",
    transport: "progress",
    body: z.strictObject({ steps: z.number() }),
    answer: z.object({ done: z.number() }),
  },
  tail: {
    summary: "lines as they come",
    method: "GET",
    path: "/api/tail",
    scope: "read",
    tenants: true,
    transport: "events",
    query: z.strictObject({ from: z.coerce.number() }),
    answer: z.object({ n: z.number() }),
  },
});

export type TestHandlers = Handlers<typeof contract>;

/** Steps below 0 fail with a fault; 1000 and more wait until the client goes. */
export const handlers: TestHandlers = {
  hello: ({ peer }) => ({ status: "ok", door: peer.door }),
  list: ({ query, principal }) => ({
    things: ["a", "b", "c"].slice(0, query.limit),
    scope: principal.scope,
    secret: "never shown",
  }),
  weigh: ({ params, body }) => {
    if (params.id === "api:none") throw new Fault("not_found", `there is no ${params.id}`, "see ten ps");
    return { id: params.id, weight: body.weight };
  },
  breakDown: () => {
    throw new Error("secret table is gone");
  },
  metrics: () => "up 1\n",
  async deploy({ body }, report) {
    for (let n = 1; n <= body.steps; n += 1) report({ step: "count", message: `step ${n}` });
    if (body.steps < 0) throw new Fault("unhealthy", "it never got healthy", "look at the log");
    return { done: body.steps };
  },
  tail({ query, signal }) {
    if (query.from < 0) throw new Fault("not_found", "nothing before the beginning");
    return (async function* () {
      for (let n = query.from; n < query.from + 3 && !signal.aborted; n += 1) yield { n };
    })();
  },
};

interface Options {
  readonly handlers?: Partial<TestHandlers>;
  readonly clock?: Clock;
  readonly product?: string;
  readonly refusePeer?: RefusePeer;
  /** The tokens that are valid; may change while the server runs. */
  readonly tokens?: TokenTable;
}

export const ADMIN = "admin-token";
export const TENANT = "tenant-token";
export const READER = "reader-token";

export const someTokens = () =>
  memoryTokens([tokenRow(ADMIN), tokenRow(TENANT, { scope: "tenant" }), tokenRow(READER, { scope: "read" })]);
const FILES: readonly PageFile[] = [{ path: "/", type: "text/html; charset=utf-8", text: "<p>the page</p>" }];

export function testApi(options: Options, defects: unknown[]) {
  const { clock = systemClock, tokens = someTokens().table } = options;
  const access = createAccess("ten", createTokens("ten", tokens, clock), clock);
  const sessions = createSessions(access, clock, "test");
  return createApi<typeof contract>({
    contract,
    handlers: { ...handlers, ...options.handlers },
    access,
    acting: createActing(),
    browser: createBrowser({ name: "test", files: FILES, sessions, clock }),
    product: options.product ?? "ten/1.0.0",
    ownHost: (host: string, _peer: Peer) => host === "localhost" || host === "127.0.0.1",
    onDefect: (error) => defects.push(error),
    clock,
  });
}

const unreachable = (cause: string) => new Fault("unreachable", `nobody there: ${cause}`, "start one");

/** Over TCP, with the admin's token. */
export async function serveTcp(options: Options = {}) {
  const defects: unknown[] = [];
  const listener = listenAdmin(testApi(options, defects), { host: "127.0.0.1", port: 0 });
  const url = new URL(`http://127.0.0.1:${listener.port}`);
  const client = (token: string | undefined) =>
    createClient(contract, { endpoint: { url, token }, product: "ten/1.0.0", unreachable });
  return { url, defects, client, [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose]() };
}

/** Over a unix socket in a directory of its own. */
export async function serveSocket(options: Options = {}) {
  const defects: unknown[] = [];
  const others: string[] = [];
  const directory = await mkdtemp(join(tmpdir(), "api-"));
  const socket = join(directory, "api.sock");
  const listener = listenSocket(testApi(options, defects), socket, options.refusePeer ?? (() => undefined));
  const client = createClient(contract, {
    endpoint: { socket },
    product: "ten/1.0.0",
    unreachable,
    onOtherVersion: (product) => others.push(product),
  });
  return {
    socket,
    defects,
    others,
    client,
    async [Symbol.asyncDispose]() {
      await listener[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
}

/** The Fault that a promise rejects with. */
export async function faultOf(promise: Promise<unknown>): Promise<Fault> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
