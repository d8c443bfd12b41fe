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
/** Slack cuts what is longer than 40,000; nobody reads as much. ntfy makes a file of what is longer than 4,096 bytes. */
const TEXT_CHARS = 3_000;

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
    return asJson({ text: `*${type}* ${escapeForSlack(cut(said, TEXT_CHARS))}`, unfurl_links: false });
  if (kind === "discord")
    // Nobody is called by what an instance has printed.
    return asJson({
      content: cut(`**${type}** ${said}`, DISCORD_CHARS),
      allowed_mentions: { parse: [] },
    });
  return {
    contentType: "text/plain; charset=utf-8",
    headers: [
      ["Title", `${type} (${outgoing.source})`],
      ["Tags", isGood(type) ? "white_check_mark" : "warning"],
      ["Priority", isGood(type) ? "default" : "high"],
    ],
    body: cut(text, TEXT_CHARS),
  };
}

/** Ends of trouble, and what went as it should. */
function isGood(type: string): boolean {
  return /\.(recovered|routable|done|ok|renewed|settled|online|up|test|started|promoted|step|resumed)$/.test(
    type,
  );
}

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

function cut(text: string, chars: number): string {
  return text.length <= chars ? text : `${text.slice(0, chars - 3)}...`;
}

/** The three characters that Slack reads as its own (api.slack.com, "Formatting text for app surfaces"). */
function escapeForSlack(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
