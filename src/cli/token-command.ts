// The commands of `token` in both programs: make, list, take back and replace tokens.

import { parseDuration } from "../core/duration.ts";
import { Fault } from "../core/fault.ts";
import { parseLabel, parseService } from "../core/name.ts";
import { choice, list, option, type Read, type Values, withDefault, word } from "./argument.ts";
import { type Command, type Context, command, type Group } from "./command.ts";
import { formatMoment } from "./format.ts";
import { describe, type WhoAmI } from "./login-command.ts";
import type { Output } from "./output.ts";
import { formatTable } from "./table.ts";

export interface WantedToken {
  readonly name: string;
  readonly scope: "read" | "deploy" | "tenant" | "admin";
  readonly services?: string[];
  readonly tenant?: string;
  readonly expires_secs?: number;
}

interface TokenFacts extends WhoAmI {
  readonly created_at: string;
  readonly created_by: string | null;
  readonly expires_at: string | null;
}

export interface MadeToken extends TokenFacts {
  readonly token: string;
  readonly warnings: readonly string[];
}

interface ListedToken extends TokenFacts {
  readonly expired: boolean;
  readonly last_used_at: string | null;
  readonly last_used_from: string | null;
}

interface Options {
  readonly signal: AbortSignal;
}

/** As much of a client as these commands need. */
export interface TokenClient {
  createToken(sent: { readonly body: WantedToken }, options: Options): Promise<MadeToken>;
  listTokens(sent: object, options: Options): Promise<{ readonly tokens: readonly ListedToken[] }>;
  revokeToken(sent: { readonly params: { readonly name: string } }, options: Options): Promise<TokenFacts>;
  rotateToken(
    sent: { readonly params: { readonly name: string }; readonly body: { readonly overlap_secs: number } },
    options: Options,
  ): Promise<MadeToken & { readonly old_until: string }>;
}

export interface TokenCommandParts {
  readonly connect: (context: Context) => TokenClient;
  /** Makes one where no server runs. */
  readonly createHere: (context: Context, wanted: WantedToken) => Promise<MadeToken>;
  readonly scopes: readonly WantedToken["scope"][];
  readonly examples: Command["examples"];
}

const readName: Read<string> = (text) => parseLabel(text, "name");
const readTime: Read<number> = (text, label) => parseDuration(text, label);

export function tokenCommands(parts: TokenCommandParts): Group {
  const { connect } = parts;
  const load = (made: Command) => async () => ({ default: made });
  const name = word("The name of the token", { hint: "NAME", read: readName });

  const revoke = command({
    name: "revoke",
    summary: "Take a token back: what it opened ends at once",
    examples: [["{program} token revoke ci", "its requests, streams and dashboard sessions end too"]],
    args: { name },
    async run(context) {
      const { args, out, signal } = context;
      const gone = await connect(context).revokeToken({ params: { name: args.name } }, { signal });
      out.success(`${describe(gone)} is revoked`);
      out.data({ ...gone }, () => "");
      return 0;
    },
  });

  const rotate = command({
    name: "rotate",
    summary: "Make a new token in place of another",
    examples: [
      ["{program} token rotate ci", "the old one goes on to count for an hour"],
      ["{program} token rotate ci --overlap 0", "it has leaked: the old one counts no more"],
    ],
    args: {
      name,
      overlap: withDefault(
        option("How long the old one goes on to count", { hint: "TIME", read: readTime }),
        3_600_000,
        "1h",
      ),
    },
    async run(context) {
      const { args, out, signal } = context;
      const sent = { params: { name: args.name }, body: { overlap_secs: args.overlap / 1000 } };
      const made = await connect(context).rotateToken(sent, { signal });
      showToken(out, made);
      out.hint(`the old one counts until ${formatMoment(made.old_until)}`);
      return 0;
    },
  });

  return {
    name: "token",
    summary: "Make, list and take back tokens for the HTTP API",
    commands: {
      create: load(createCommand(parts)),
      list: load(listCommand(connect)),
      revoke: load(revoke),
      rotate: load(rotate),
    },
  };
}

/** What a token is for, in a program that has services and tenants of them. */
const FOR_WHOM = {
  service: list("The only services that it may see and touch", { hint: "SERVICES", names: "service" }),
  tenant: option("The tenant that it is for", {
    hint: "ID",
    read: (text: string) => parseLabel(text, "tenant"),
  }),
};

function createCommand(parts: TokenCommandParts): Command {
  const isForSome = parts.scopes.includes("deploy");
  return command({
    name: "create",
    summary: "Make a token; it is shown once",
    description: isForSome
      ? "Only a hash of it is kept. It counts at once. read may look; deploy may also release, route and roll back, and is what CI gets; tenant has the instances whose id is the tenant's; admin may do everything."
      : "Only a hash of it is kept. It counts at once. read may look, admin may do everything.",
    examples: parts.examples,
    args: {
      name: word("A name for it, by which it is listed, revoked and told of in events", {
        hint: "NAME",
        read: readName,
      }),
      scope: choice("What it may do; read unless given", parts.scopes),
      expires: option("How long it counts, such as 90d; for ever unless given", {
        hint: "TIME",
        read: readTime,
      }),
      ...(isForSome && FOR_WHOM),
    },
    async run(context) {
      const { name, expires, ...more } = context.args;
      const { service = [], tenant } = more as Partial<Values<typeof FOR_WHOM>>;
      const services = service.map((text) => parseService(text));
      const scope = more.scope ?? (tenant === undefined ? "read" : "tenant");
      const wanted: WantedToken = {
        name,
        scope,
        ...(services.length > 0 && { services }),
        ...(tenant !== undefined && { tenant }),
        ...(expires !== undefined && { expires_secs: expires / 1000 }),
      };
      showToken(context.out, await createToken(context, parts, wanted));
      return 0;
    },
  });
}

/** By the running server, or where none runs in its registry. */
export async function createToken(
  context: Context,
  { connect, createHere }: Pick<TokenCommandParts, "connect" | "createHere">,
  wanted: WantedToken,
): Promise<MadeToken> {
  try {
    return await connect(context).createToken({ body: wanted }, { signal: context.signal });
  } catch (thrown) {
    const isAway = thrown instanceof Fault && thrown.code === "unreachable";
    if (!isAway || context.globals.server !== undefined) throw thrown;
    return createHere(context, wanted);
  }
}

function showToken(out: Output, made: MadeToken): void {
  for (const warning of made.warnings) out.warn(warning);
  const until = made.expires_at === null ? "" : `, until ${formatMoment(made.expires_at)}`;
  out.data({ ...made }, () => `Token ${describe(made)}${until}, shown once:\n\n  ${made.token}\n`);
}

function listCommand(connect: TokenCommandParts["connect"]): Command {
  return command({
    name: "list",
    summary: "Show which tokens there are, and when each was used last",
    examples: [["{program} token list", "never the tokens themselves"]],
    args: {},
    async run(context) {
      const { out, signal } = context;
      const { tokens } = await connect(context).listTokens({}, { signal });
      const columns = ["NAME", "SCOPE", "SERVICES", "CREATED", "EXPIRES", "LAST USED"].map((heading) => ({
        heading,
      }));
      const rows = tokens.map((one) => [
        one.name,
        one.tenant === null ? one.scope : `${one.scope} ${one.tenant}`,
        one.services?.join(", ") ?? "all",
        dayOf(one.created_at),
        one.expires_at === null ? "never" : one.expired ? "expired" : dayOf(one.expires_at),
        one.last_used_at === null ? "never" : `${dayOf(one.last_used_at)} ${one.last_used_from ?? ""}`,
      ]);
      out.data({ tokens }, () => (tokens.length === 0 ? "" : formatTable(columns, rows, out.paint)));
      if (tokens.length === 0) out.info("there are no tokens");
      return 0;
    },
  });
}

function dayOf(at: string): string {
  return at.slice(0, "2026-01-31".length);
}
