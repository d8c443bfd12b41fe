// What `caddy` of both programs does: a Caddyfile printed, or written where nobody else's is.
import { resolve } from "node:path";
import { type CaddySite, caddyfile, caddyfileMark, isUntouchedSample } from "../core/caddyfile.ts";
import { Fault, messageOf } from "../core/fault.ts";
import { quote } from "../core/quote.ts";
import { readIfThere, writeAtomic } from "../platform/storage/atomic-file.ts";
import { flag, option, type Values } from "./argument.ts";
import type { Output } from "./output.ts";

export const caddyArgs = {
  upstream: option("Where Caddy finds it; 127.0.0.1 and the port of the running ten, or 8080, unless given", {
    hint: "HOST:PORT",
    read: readUpstream,
  }),
  email: option("Whom the certificate authority writes to", { hint: "EMAIL", read: readPlain }),
  dns: option("Caddy's name of your DNS provider, for wildcard certificates", {
    hint: "PROVIDER",
    read: readPlain,
  }),
  out: option("Write it there instead of printing it", { hint: "FILE" }),
  force: flag("Also over a file that was not written by this command"),
};

/** Prints or writes it; what would not work as it is is said by `advise` and by the program. */
export function giveCaddyfile(
  out: Output,
  site: CaddySite,
  args: Pick<Values<typeof caddyArgs>, "out" | "force">,
): void {
  const text = caddyfile(site);
  const file = args.out === undefined ? null : resolve(args.out);
  const done = file === null ? undefined : write(file, text, site.program, args.force);
  const { domain, upstream, hosts } = site;
  const written = done === "written" || done === "replaced the sample";
  out.data({ domain, upstream, hosts, file, written, caddyfile: text }, () => (file === null ? text : ""));
  if (done === "nothing to do") out.info(`nothing to do: ${file} is as it should be`);
  if (!written) return;
  const sample = done === "replaced the sample" ? ", over the untouched sample of Caddy's package" : "";
  out.success(`wrote ${file}${sample}`);
  out.hint(`put it into force: caddy reload --config ${file}, or systemctl reload caddy`);
}

/** What would not work as it is, for either program. */
export function adviseCaddy(out: Output, { program, domain, upstream, onDemand }: CaddySite): void {
  const port = upstream.split(":").at(-1);
  if (domain === "localhost") out.hint("these hosts are local; name your domain: --domain example.com");
  if (port === "80" || port === "443")
    out.warn(
      `Caddy needs port ${port} itself: let ${program} serve on another, ${program} serve --port 8080 --host 127.0.0.1`,
    );
  if (onDemand && !isLocal(upstream))
    out.warn(
      `${program} answers Caddy's question for a host on loopback only: run Caddy on the same machine, or no certificate is made on demand`,
    );
}

/** Whether Caddy and the program are on one machine. */
export function isLocal(upstream: string): boolean {
  return /^(127\.|localhost$|\[::1\]$)/.test(upstream.slice(0, upstream.lastIndexOf(":")));
}

type Done = "written" | "replaced the sample" | "nothing to do";

function write(file: string, text: string, program: CaddySite["program"], force: boolean): Done {
  try {
    const before = readIfThere(file);
    if (before === text) return "nothing to do";
    const isSample = before !== undefined && isUntouchedSample(before);
    if (before !== undefined && !before.startsWith(caddyfileMark(program)) && !isSample && !force)
      throw new Fault(
        "conflict",
        `${quote(file)} was not written by ${program} caddy`,
        "import ours from it (write it to another file), or replace it with --force",
      );
    writeAtomic(file, text, 0o644);
    return isSample ? "replaced the sample" : "written";
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown;
    throw new Fault(
      "usage",
      `cannot write ${quote(file)}: ${messageOf(thrown)}`,
      "choose another file with --out",
    );
  }
}

function readUpstream(text: string, label: string): string {
  if (/^([\w.-]+|\[[\da-f:.]+\]):\d{1,5}$/i.test(text)) return text;
  throw new Fault("usage", `${label} is ${quote(text)}`, "write HOST:PORT, for example 127.0.0.1:8080");
}

/** Nothing that a Caddyfile would read as more than one word. */
function readPlain(text: string, label: string): string {
  if (/^[\w.@+-]+$/.test(text)) return text;
  throw new Fault("usage", `${label} is ${quote(text)}`, "allowed: letters, digits and . _ @ + -");
}
