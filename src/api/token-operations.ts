// The operations on tokens, the same in every contract, and their handlers.
import { z } from "zod";
import { parseLabel, parseService } from "../core/name.ts";
import { checked } from "./fields.ts";
import type { Operation } from "./operation.ts";
import { SCOPES } from "./principal.ts";
import type { Handler } from "./server.ts";
import type { TokenRow, Tokens, TokenView } from "./tokens.ts";

const name = checked((text) => parseLabel(text, "name"));
const secs = (most: number) => z.number().positive().max(most);
const DAY_SECS = 24 * 3600;

const token = {
  name: z.string(),
  scope: z.enum(SCOPES),
  /** Null: all. */
  services: z.array(z.string()).nullable(),
  tenant: z.string().nullable(),
  created_at: z.string(),
  created_by: z.string().nullable(),
  expires_at: z.string().nullable(),
};
const tokenAnswer = z.object(token);
/** The token itself is shown this once. */
const newToken = z.object({ ...token, token: z.string(), warnings: z.array(z.string()) });

export const tokenOperations = {
  whoAmI: {
    summary: "Who the caller is, and what it may do",
    method: "GET",
    path: "/api/whoami",
    scope: "read",
    tenants: true,
    answer: z.object({
      name: z.string(),
      scope: z.enum(SCOPES),
      services: z.array(z.string()).nullable(),
      tenant: z.string().nullable(),
    }),
  },
  listTokens: {
    summary: "The tokens that there are, without the tokens themselves",
    method: "GET",
    path: "/api/tokens",
    scope: "admin",
    answer: z.object({
      tokens: z.array(
        z.object({
          ...token,
          expired: z.boolean(),
          last_used_at: z.string().nullable(),
          last_used_from: z.string().nullable(),
        }),
      ),
    }),
  },
  createToken: {
    summary: "Make a token; it is shown once",
    method: "POST",
    path: "/api/tokens",
    scope: "admin",
    body: z.strictObject({
      name,
      scope: z.enum(SCOPES).default("read"),
      services: z
        .array(checked((text) => parseService(text)))
        .min(1)
        .max(100)
        .optional(),
      tenant: checked((text) => parseLabel(text, "tenant")).optional(),
      expires_secs: secs(3650 * DAY_SECS).optional(),
    }),
    answer: newToken,
  },
  revokeToken: {
    summary: "Take a token back at once: its requests, streams and sessions end",
    method: "DELETE",
    path: "/api/tokens/:name",
    scope: "admin",
    params: z.strictObject({ name }),
    answer: tokenAnswer,
  },
  rotateToken: {
    summary: "Make a new token in place of another, which goes on to count for the overlap",
    method: "POST",
    path: "/api/tokens/:name/rotate",
    scope: "admin",
    params: z.strictObject({ name }),
    body: z.strictObject({
      overlap_secs: z
        .number()
        .min(0)
        .max(30 * DAY_SECS)
        .default(3600),
    }),
    answer: z.object({ ...newToken.shape, old_until: z.string() }),
  },
} as const satisfies Record<string, Operation>;

type TokenHandlers = { readonly [K in keyof typeof tokenOperations]: Handler<(typeof tokenOperations)[K]> };

/** `warningsOf` is what the person who makes a token ought to know about it. */
export function tokenHandlers(
  tokens: Tokens,
  warningsOf: (row: TokenRow) => readonly string[],
): TokenHandlers {
  const shown = (token: string, row: TokenRow) => made(token, row, warningsOf(row));
  return {
    whoAmI: ({ principal: { name, scope, services, tenant } }) => ({
      name,
      scope,
      services: services ? [...services] : null,
      tenant: tenant ?? null,
    }),
    listTokens: () => ({
      tokens: tokens.list().map((one) => ({
        ...toAnswer(one),
        expired: one.isExpired,
        last_used_at: isoOf(one.usedAt),
        last_used_from: one.usedFrom,
      })),
    }),
    async createToken({ body: { name, scope, services, tenant, expires_secs: seconds }, principal }) {
      const wanted = { name, scope, services, tenant, expiresMs: seconds && seconds * 1000 };
      const { token, row } = await tokens.create(wanted, principal.name);
      return shown(token, row);
    },
    revokeToken: async ({ params }) => toAnswer(await tokens.revoke(params.name)),
    async rotateToken({ params, body, principal }) {
      const overlapMs = body.overlap_secs * 1000;
      const { token, row, oldUntil } = await tokens.rotate(params.name, overlapMs, principal.name);
      return { ...shown(token, row), old_until: new Date(oldUntil).toISOString() };
    },
  };
}

/** The answer for a token that has just been made. */
export function made(token: string, row: TokenRow, warnings: readonly string[]) {
  return { ...toAnswer(row), token, warnings: [...warnings] };
}

function toAnswer(row: TokenRow | TokenView) {
  return {
    name: row.name,
    scope: row.scope,
    services: row.services === null ? null : [...row.services],
    tenant: row.tenant,
    created_at: new Date(row.createdAt).toISOString(),
    created_by: row.createdBy,
    expires_at: isoOf(row.expiresAt),
  };
}

function isoOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
