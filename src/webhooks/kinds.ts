// The forms that receivers want their messages in: signed JSON, or what a chat program shows.
import { visible } from "../core/visible.ts";
import { signedHeaders } from "./signature.ts";

export const KINDS = ["standard", "slack", "discord", "ntfy"] as const;
export type Kind = (typeof KINDS)[number];

/** Events after which the end that was told of a certificate is none any more; told as its renewal. */
export const CERTIFICATE_ENDS: ReadonlySet<string> = new Set([
  "certificate.issued",
  "certificate.added",
  "certificate.removed",
  "certificate.revoked",
]);

/** Discord refuses a longer message (Discord API, "Create Message": content up to 2,000 characters). */
const DISCORD_CHARS = 2_000;
/** Discord API, "Message Flags": links are shown without a look at what they lead to. */
const SUPPRESS_EMBEDS = 4;
/** Slack cuts what is longer than 40,000; nobody reads as much. */
const TEXT_CHARS = 3_000;
/** ntfy makes a file of what is longer than 4,096 bytes (docs.ntfy.sh, "Limitations"). */
const NTFY_BYTES = 4_000;

export interface Outgoing {
  /** The same for every try. */
  readonly id: string;
  readonly timestampSecs: number;
  /** The message as the outbox has it: `{type, timestamp, text, data}`. */
  readonly body: string;
  /** Who tells it, as chats show it: `ten example.com`. */
  readonly source: string;
}

export interface Rendered {
  readonly contentType: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** `secrets`, newest first, sign what is `standard`; chat programs check no signature, their URL is what is secret. */
export function render(kind: Kind, outgoing: Outgoing, secrets: readonly string[]): Rendered {
  if (kind === "standard")
    return {
      contentType: "application/json",
      headers: signedHeaders(outgoing, secrets),
      body: outgoing.body,
    };
  const { type, text } = read(outgoing.body);
  const said = `[${outgoing.source}] ${text}`;
  if (kind === "slack")
    return asJson({
      text: `*${type}* ${escapeForSlack(cut(said, TEXT_CHARS))}`,
      unfurl_links: false,
      unfurl_media: false,
    });
  if (kind === "discord")
    // Nobody is called by what an instance has printed.
    return asJson({
      content: cut(escapeForDiscord(`**${type}** ${said}`), DISCORD_CHARS),
      allowed_mentions: { parse: [] },
      flags: SUPPRESS_EMBEDS,
    });
  return {
    contentType: "text/plain; charset=utf-8",
    headers: [
      ["Title", `${type} (${outgoing.source})`],
      ["Tags", isTrouble(type) ? "warning" : "white_check_mark"],
      ["Priority", isTrouble(type) ? "high" : "default"],
    ],
    body: cutBytes(text, NTFY_BYTES),
  };
}

/** What somebody has to see to. A type that is not known is trouble until it is. */
function isTrouble(type: string): boolean {
  return !FINE.has(type.slice(type.indexOf(".") + 1));
}

/** Ends of trouble, what went as it should, and what somebody did. */
const FINE: ReadonlySet<string> = new Set([
  ...["recovered", "routable", "settled", "ok", "renewed", "online", "up", "deleted", "done", "test"],
  ...["started", "advanced", "resumed", "promoted", "replaced", "taken_over"],
]);

function asJson(value: object): Rendered {
  return { contentType: "application/json", headers: [], body: JSON.stringify(value) };
}

/** What waits since an earlier version has no text of its own. */
function read(body: string): { readonly type: string; readonly text: string } {
  const { type = "message", text, data } = JSON.parse(body) as Record<string, unknown>;
  return {
    type: String(type),
    text: (typeof text === "string" ? text : JSON.stringify(data ?? {})).split("\n").map(visible).join("\n"),
  };
}

/** No character of two units is cut in half: what is left of it would be no text. */
function cut(text: string, chars: number): string {
  return text.length <= chars
    ? text
    : `${text
        .slice(0, chars - 3)
        .toWellFormed()
        .replace(/\ufffd$/, "")}...`;
}

function cutBytes(text: string, bytes: number): string {
  const all = Buffer.from(text);
  // Of a character that is cut in half nothing is left.
  return all.length <= bytes ? text : `${all.toString("utf8", 0, bytes - 3).replace(/\ufffd+$/, "")}...`;
}

/** So that what an app has printed hides no address behind a word: Discord shows `[word](address)` as a link. */
function escapeForDiscord(text: string): string {
  return text.replaceAll("](", "]\\(");
}

/** The three characters that Slack reads as its own (api.slack.com, "Formatting text for app surfaces"). */
function escapeForSlack(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
