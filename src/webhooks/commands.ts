// The commands of `webhook` in both programs: who is told when something is wrong, and when it is right again.
import type { Client } from "../api/client.ts";
import { choice, flag, list, maybeWord, type Read, withDefault, word } from "../cli/argument.ts";
import { type Command, type Context, command, type Elsewhere, type Group } from "../cli/command.ts";
import { formatTable } from "../cli/table.ts";
import { FAULTS, Fault } from "../core/fault.ts";
import { parseLabel } from "../core/name.ts";
import { KINDS } from "./kinds.ts";
import type { WebhookView, webhookOperations } from "./operations.ts";
import { parseReceiverUrl } from "./post-webhook.ts";

export interface WebhookCommandParts {
  readonly connect: (context: Context) => Client<ReturnType<typeof webhookOperations>>;
  /** The types of messages that there are. */
  readonly types: readonly string[];
  /** What takes a receiver away: `remove` or `delete`. */
  readonly removeWord: "remove" | "delete";
  readonly summary: string;
  readonly elsewhere?: Elsewhere;
  /** Types as examples show them: of what is worth a call at night. */
  readonly example: string;
}

const readLabel: Read<string> = (text) => parseLabel(text, "id");
const webhook = word("The id of the receiver", { hint: "ID", read: readLabel, names: "webhook" });

export function webhookCommands(parts: WebhookCommandParts): Group {
  const load = (made: Command) => async () => ({ default: made });
  return {
    name: "webhook",
    summary: parts.summary,
    ...(parts.elsewhere && { elsewhere: parts.elsewhere }),
    commands: {
      add: load(addCommand(parts)),
      list: load(listCommand(parts)),
      [parts.removeWord]: load(removeCommand(parts)),
      rotate: load(rotateCommand(parts)),
      test: load(testCommand(parts)),
    },
  };
}

function addCommand({ connect, types, example }: WebhookCommandParts): Command {
  return command({
    name: "add",
    summary: "Add a receiver; its signing secret is shown once",
    description: `Messages are signed as Standard Webhooks says; slack, discord and ntfy get what those show, and no signature: their URL is the secret. Types: ${types.join(", ")}; ${types[0]?.split(".")[0]}.* means all of a kind.`,
    examples: [
      [
        "{program} webhook add https://hooks.example.com/in",
        "everything, signed; the id is made of the host",
      ],
      [
        `{program} webhook add pager https://pager.example.com/in --only ${example}`,
        "only these, by an id of yours",
      ],
      ["{program} webhook add https://hooks.slack.com/services/T0/B0/x --kind slack", "into a channel"],
      ["{program} webhook add https://ntfy.sh/my-topic --kind ntfy", "onto a telephone"],
    ],
    args: {
      id: word("The id that the receiver gets; left out, it is made of the URL's host", { hint: "[ID]" }),
      url: maybeWord("Where messages are posted to", { hint: "URL" }),
      kind: withDefault(choice("The form that the receiver wants", KINDS), "standard"),
      only: list("Only these types of messages", { hint: "TYPES" }),
      types: list("The same", { hint: "TYPES" }),
      allowPrivate: flag("The URL may lead to a private address"),
    },
    async run(context) {
      const { args, out, signal } = context;
      const url = parseReceiverUrl(args.url ?? args.id).href;
      const wanted = [...args.only, ...args.types];
      const body = {
        url,
        kind: args.kind,
        allow_private: args.allowPrivate,
        ...(args.url !== undefined && { id: parseLabel(args.id, "id") }),
        ...(wanted.length > 0 && { types: wanted }),
      };
      const made = await connect(context).addWebhook({ body }, { signal });
      const { id, kind } = made.webhook;
      out.data(made, () =>
        made.secret === null
          ? `added ${id}, ${kind}\n`
          : `Signing secret of ${id} (shown once):\n\n  ${made.secret}\n`,
      );
      out.hint(`see whether it takes a sample: ${context.program.name} webhook test ${id}`);
      return 0;
    },
  });
}

function listCommand({ connect }: WebhookCommandParts): Command {
  return command({
    name: "list",
    summary: "Show the receivers, what waits for them, and what they said last",
    examples: [["{program} webhook list", "one line a receiver"]],
    args: {},
    async run(context) {
      const { out, signal } = context;
      const { webhooks } = await connect(context).listWebhooks({}, { signal });
      const headings = ["WEBHOOK", "KIND", "URL", "TYPES", "STATE", "WAITING", "LAST ANSWER"];
      out.data({ webhooks }, () =>
        webhooks.length === 0
          ? "no webhooks\n"
          : formatTable(
              headings.map((heading) => ({ heading })),
              webhooks.map(rowOf),
              out.paint,
            ),
      );
      return 0;
    },
  });
}

function rowOf(one: WebhookView): string[] {
  return [
    one.id,
    one.kind,
    one.url,
    one.types?.join(", ") ?? "all",
    one.disabled ?? "on",
    String(one.waiting),
    one.last_error ?? one.last_answer ?? "-",
  ];
}

function removeCommand({ connect, removeWord }: WebhookCommandParts): Command {
  return command({
    name: removeWord,
    summary: "Remove a receiver with all that waits for it",
    examples: [[`{program} webhook ${removeWord} ops`, "messages that it has not taken are dropped"]],
    args: { webhook },
    async run(context) {
      const { args, out, signal } = context;
      const done = await connect(context).deleteWebhook({ params: { id: args.webhook } }, { signal });
      out.data(done, () => `deleted ${done.id}\n`);
      return 0;
    },
  });
}

function rotateCommand({ connect }: WebhookCommandParts): Command {
  return command({
    name: "rotate",
    summary: "Make a new signing secret; the old one signs too for a day",
    examples: [["{program} webhook rotate ops", "then give the receiver the new secret"]],
    args: { webhook },
    async run(context) {
      const { args, out, signal } = context;
      const made = await connect(context).rotateWebhook({ params: { id: args.webhook } }, { signal });
      const { id, kind } = made.webhook;
      out.data(made, () =>
        made.secret === null
          ? `${id} is of kind ${kind}: nothing is signed for it\n`
          : `New signing secret of ${id} (shown once):\n\n  ${made.secret}\n`,
      );
      return 0;
    },
  });
}

function testCommand({ connect }: WebhookCommandParts): Command {
  return command({
    name: "test",
    summary: "Send a sample, and show what the receiver answers",
    description: "Exits 0 when every receiver answered 2xx, and 6 otherwise.",
    examples: [
      ["{program} webhook test", "to all receivers"],
      ["{program} webhook test ops", "to one"],
    ],
    args: {
      webhook: maybeWord("The receiver; all unless given", { hint: "ID", read: readLabel, names: "webhook" }),
    },
    async run(context) {
      const { args, out, signal, program } = context;
      const client = connect(context);
      const ids =
        args.webhook === undefined
          ? (await client.listWebhooks({}, { signal })).webhooks.map(({ id }) => id)
          : [args.webhook];
      if (ids.length === 0)
        throw new Fault(
          "not_found",
          "there are no webhooks",
          `add one: ${program.name} webhook add https://...`,
        );
      using _ = out.progress(`sending a sample to ${ids.join(", ")}`);
      const results = await Promise.all(ids.map((id) => client.testWebhook({ params: { id } }, { signal })));
      out.data({ results }, () =>
        results
          .map(({ id, ok, said, body }) => {
            const more = ok && body.trim() !== "" ? `: ${body.trim()}` : "";
            return `${id} ${ok ? "took it" : "did not take it"}: ${said}${more}\n`;
          })
          .join(""),
      );
      return results.every(({ ok }) => ok) ? 0 : FAULTS.unreachable.exit;
    },
  });
}
