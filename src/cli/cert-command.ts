// The commands of `cert` in both programs: what certificates there are, and what an operator does to them.

import { readFileSync } from "node:fs";
import { Fault } from "../core/fault.ts";
import { quote } from "../core/quote.ts";
import { systemReason } from "../core/system-error.ts";
import { choice, flag, withDefault, word, words } from "./argument.ts";
import { type Command, type Context, command, type Group } from "./command.ts";
import { formatMoment } from "./format.ts";
import type { Output } from "./output.ts";
import { formatTable } from "./table.ts";

interface Listed {
  readonly name: string;
  readonly state: "valid" | "expiring" | "expired" | "missing";
  readonly source: string;
  readonly issuer: string | null;
  readonly expires_at: string | null;
  readonly days_left: number | null;
  readonly renew_at: string | null;
  readonly file: string | null;
  readonly ordering: boolean;
  readonly next_try_at: string | null;
  readonly last_failure: { readonly at: string; readonly reason: string } | null;
}

interface All {
  readonly https: boolean;
  readonly authorities: readonly string[];
  readonly certificates: readonly Listed[];
  readonly problems: readonly { readonly file: string; readonly problem: string }[];
}

interface Options {
  readonly signal: AbortSignal;
}

interface Named {
  readonly params: { readonly name: string };
}

const REASONS = ["unspecified", "key-compromise", "superseded", "cessation"] as const;

/** As much of a client as these commands need. */
export interface CertificateClient {
  listCertificates(sent: { readonly query: object }, options: Options): Promise<All>;
  addCertificate(
    sent: { readonly body: { readonly pem: string; readonly from: string } },
    options: Options,
  ): Promise<{ readonly names: readonly string[]; readonly issuer: string; readonly expires_at: string }>;
  renewCertificate(sent: Named, options: Options): Promise<Listed>;
  revokeCertificate(
    sent: Named & { readonly body: { readonly reason: (typeof REASONS)[number] } },
    options: Options,
  ): Promise<{ readonly name: string }>;
  removeCertificate(sent: Named, options: Options): Promise<{ readonly name: string }>;
}

type Connect = (context: Context) => CertificateClient;

export function certCommands(connect: Connect): Group {
  const load = (made: Command) => async () => ({ default: made });
  return {
    name: "cert",
    summary: "List, add, renew and revoke TLS certificates",
    commands: {
      list: load(listCommand(connect)),
      add: load(addCommand(connect)),
      renew: load(renewCommand(connect)),
      revoke: load(revokeCommand(connect)),
      rm: load(removeCommand(connect)),
    },
  };
}

const name = word("The name that it is for: a host or a wildcard", { hint: "NAME", names: "certificate" });

function listCommand(connect: Connect): Command {
  return command({
    name: "list",
    summary: "Show which certificates there are, when they end, and what is missing",
    description:
      "NEXT is when a certificate is renewed, or when one that is missing is tried again. What went wrong last stands below, with where the name leads to.",
    examples: [
      ["{program} cert list", "the names, their issuers, the days that are left"],
      ["{program} cert list --json", "for a script, with times and the last failures"],
    ],
    args: {},
    async run(context) {
      const { out, signal } = context;
      const all = await connect(context).listCertificates({ query: {} }, { signal });
      out.data({ ...all }, () => tableOf(all, out));
      if (!all.https) out.info("https is not served here: serve with --https, or give it certificates");
      else if (all.certificates.length === 0) out.info("there are no certificates, and none is wanted yet");
      for (const { problem } of all.problems) out.warn(problem);
      for (const { name, last_failure: failure } of all.certificates)
        if (failure !== null) out.warn(`${name}: ${failure.reason}`);
      return 0;
    },
  });
}

function tableOf({ certificates }: All, out: Output): string {
  if (certificates.length === 0) return "";
  const headings = ["NAME", "STATE", "ISSUER", "DAYS LEFT", "NEXT", "FROM"];
  const rows = certificates.map((one) => [
    one.name,
    one.ordering ? `${one.state}, ordered now` : one.state,
    one.issuer ?? "-",
    one.days_left === null ? "-" : String(Math.floor(one.days_left)),
    minuteOf(one.next_try_at ?? one.renew_at),
    one.file ?? one.source,
  ]);
  return formatTable(
    headings.map((heading) => ({ heading })),
    rows,
    out.paint,
  );
}

function minuteOf(at: string | null): string {
  return at === null ? "-" : at.slice(0, "2026-01-31T12:00".length).replace("T", " ");
}

function addCommand(connect: Connect): Command {
  return command({
    name: "add",
    summary: "Serve a certificate of your own for all of its names, from now on",
    description:
      "The files are read here, checked (the key fits, the chain is whole, its time has not passed) and kept by the server; whatever it served for these names is replaced with no connection touched. It is not renewed: add the next one before it ends, or let the server watch a directory (certificates).",
    examples: [
      ["{program} cert add fullchain.pem privkey.pem", "certificate and key in two files"],
      ["{program} cert add site.pem", "both in one"],
    ],
    args: {
      files: words("PEM files: the certificate with its chain, and the key", {
        hint: "FILE",
        required: true,
      }),
    },
    async run(context) {
      const { args, out, signal } = context;
      const pem = args.files.map(readPem).join("\n");
      const from = args.files.join(", ");
      const added = await connect(context).addCertificate({ body: { pem, from } }, { signal });
      out.data({ ...added }, () => "");
      out.success(
        `${added.names.join(", ")}: served with the certificate by ${added.issuer}, until ${formatMoment(added.expires_at)}`,
      );
      return 0;
    },
  });
}

function readPem(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (thrown) {
    throw new Fault("usage", `cannot read ${quote(file)}: ${systemReason(thrown)}`, "give files in PEM");
  }
}

function renewCommand(connect: Connect): Command {
  return command({
    name: "renew",
    summary: "Order a new certificate for a name now",
    description:
      "For after something was mended: what has failed is tried at once, whatever wait it was due. The certificate before it stays in force until there is a new one. At most five orders an hour are made for a name.",
    examples: [["{program} cert renew app.example.com", "answers when it is in force, or says why not"]],
    args: { name },
    async run(context) {
      const { args, out, signal } = context;
      const found = await connect(context).renewCertificate({ params: { name: args.name } }, { signal });
      out.data({ ...found }, () => "");
      out.success(
        `${found.name} has a new certificate by ${found.issuer}, until ${found.expires_at === null ? "?" : formatMoment(found.expires_at)}`,
      );
      return 0;
    },
  });
}

function revokeCommand(connect: Connect): Command {
  return command({
    name: "revoke",
    summary: "Have a certificate taken back by who issued it",
    description:
      "For when its key may be known to others. It is deleted, and another is ordered where the name is still served.",
    examples: [["{program} cert revoke app.example.com --reason key-compromise", "the key has leaked"]],
    args: {
      name,
      reason: withDefault(choice("Why", REASONS), "unspecified"),
    },
    async run(context) {
      const { args, out, signal } = context;
      const sent = { params: { name: args.name }, body: { reason: args.reason as (typeof REASONS)[number] } };
      const gone = await connect(context).revokeCertificate(sent, { signal });
      out.data({ ...gone }, () => "");
      out.success(`the certificate of ${gone.name} is revoked`);
      return 0;
    },
  });
}

function removeCommand(connect: Connect): Command {
  return command({
    name: "rm",
    summary: "Delete a certificate and its key",
    description: "One that is wanted is ordered again; one that was added is gone.",
    examples: [["{program} cert rm old.example.com --yes", "without being asked"]],
    args: { name, yes: flag("Do not ask") },
    async run(context) {
      const { args, out, signal } = context;
      if (!args.yes)
        throw new Fault(
          "usage",
          `the certificate and the key of ${quote(args.name)} would be deleted`,
          "add --yes",
        );
      const gone = await connect(context).removeCertificate({ params: { name: args.name } }, { signal });
      out.data({ ...gone }, () => "");
      out.success(`the certificate of ${gone.name} is deleted`);
      return 0;
    },
  });
}
