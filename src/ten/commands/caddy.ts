// `ten caddy`: a Caddyfile that puts TLS in front of the server.
import { resolve } from "node:path";
import { flag, option } from "../../cli/argument.ts";
import { type Context, command } from "../../cli/command.ts";
import type { Output } from "../../cli/output.ts";
import { CADDYFILE_MARK, type CaddySite, caddyfile, hostsOf } from "../../core/caddyfile.ts";
import { parseDomain } from "../../core/domain.ts";
import { Fault, messageOf } from "../../core/fault.ts";
import { quote } from "../../core/name.ts";
import { createTrust } from "../../core/trusted-proxies.ts";
import { readIfThere, writeAtomic } from "../../platform/storage/atomic-file.ts";
import { loadConfig } from "../config/config.ts";
import { describe } from "../config/describe.ts";
import type { TomlDocument } from "../config/toml-schema.ts";
import { connect } from "./connect.ts";

export default command({
  name: "caddy",
  summary: "Print a Caddyfile: TLS in front of the server, for all its hosts",
  description:
    "Of the running server, or of tenement.toml when none answers: its own host, a host for each service, and their domains. Caddy fetches certificates for them by itself, once their names lead to it. Hosts of single instances need a DNS challenge: they are there as a comment, or for good with --dns.",
  examples: [
    ["ten caddy --domain example.com", "look at it"],
    ["sudo ten caddy --domain example.com --out /etc/caddy/Caddyfile", "then: sudo systemctl reload caddy"],
    ["ten caddy --dns cloudflare", "with wildcard hosts, for a Caddy that has this module"],
  ],
  args: {
    domain: option("The domain under which services get hosts; that of the running server unless given", {
      hint: "D",
      read: (text: string) => parseDomain(text),
    }),
    upstream: option(
      "Where Caddy finds ten; 127.0.0.1 and the running server's port, or 8080, unless given",
      {
        hint: "HOST:PORT",
        read: readUpstream,
      },
    ),
    email: option("Whom the certificate authority writes to", { hint: "EMAIL", read: readPlain }),
    dns: option("Caddy's name of your DNS provider", { hint: "PROVIDER", read: readPlain }),
    out: option("Write it there instead of printing it", { hint: "FILE" }),
    force: flag("Also over a file that was not written by ten caddy"),
  },
  async run(context) {
    const { args, out } = context;
    const { document, domain, port } = await serverOf(context);
    const site: CaddySite = {
      domain: args.domain ?? domain ?? "localhost",
      upstream: args.upstream ?? `127.0.0.1:${port ?? 8080}`,
      hasDefault: document.routing.default !== undefined,
      services: Object.entries(document.service).map(([name, { domains, direct }]) => ({
        name,
        domains,
        direct,
      })),
      email: args.email,
      dns: args.dns,
    };
    const text = caddyfile(site);
    const file = args.out === undefined ? null : resolve(args.out);
    const written = file !== null && write(file, text, args.force);
    const { upstream } = site;
    out.data({ domain: site.domain, upstream, hosts: hostsOf(site), file, written, caddyfile: text }, () =>
      file === null ? text : "",
    );
    if (file !== null) {
      if (written) out.success(`wrote ${file}`);
      else out.info(`nothing to do: ${file} is as it should be`);
      if (written) out.hint(`put it into force: caddy reload --config ${file}, or systemctl reload caddy`);
    }
    advise(out, site, document);
    return 0;
  },
});

interface Found {
  readonly document: Pick<TomlDocument, "service" | "settings" | "routing">;
  readonly domain?: string;
  readonly port?: string;
}

/** What the running server says, else what the file does. */
async function serverOf(
  context: Context & { readonly args: { readonly domain: string | undefined } },
): Promise<Found> {
  const { globals, args, signal } = context;
  try {
    const answer = await connect(context).config({}, { signal });
    const { domain, url, ...document } = answer as unknown as Found["document"] & {
      domain: string;
      url: string;
    };
    return { document, domain, port: new URL(url).port };
  } catch (thrown) {
    const isAway = thrown instanceof Fault && thrown.code === "unreachable" && globals.server === undefined;
    if (!isAway) throw thrown;
    const domain = args.domain === undefined ? {} : { domain: args.domain };
    return { document: describe(loadConfig(process.cwd(), globals.config, domain)) };
  }
}

/** True when it was not there, or was another. */
function write(file: string, text: string, force: boolean): boolean {
  try {
    const before = readIfThere(file);
    if (before === text) return false;
    if (before !== undefined && !before.startsWith(CADDYFILE_MARK) && !force)
      throw new Fault(
        "conflict",
        `${quote(file)} was not written by ten caddy`,
        "import ours from it (write it to another file), or replace it with --force",
      );
    writeAtomic(file, text, 0o644);
    return true;
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown;
    throw new Fault(
      "usage",
      `cannot write ${quote(file)}: ${messageOf(thrown)}`,
      "choose another file with --out",
    );
  }
}

/** What would not work as it is. */
function advise(out: Output, { domain, upstream }: CaddySite, { settings }: Found["document"]): void {
  const [host = "", port = ""] = [upstream.slice(0, upstream.lastIndexOf(":")), upstream.split(":").at(-1)];
  if (domain === "localhost") out.hint("these hosts are local; name your domain: --domain example.com");
  if (port === "80" || port === "443")
    out.warn(
      `Caddy needs port ${port} itself: let ten serve on another, ten serve --port 8080 --host 127.0.0.1`,
    );
  const isLocal = /^(127\.|localhost$|\[::1\]$)/.test(host);
  if (!isLocal)
    out.hint("add Caddy's address to trusted_proxies, so that apps see their visitors' addresses");
  else if (!createTrust(settings.trusted_proxies)("127.0.0.1"))
    out.warn("trusted_proxies lacks 127.0.0.1: apps would take Caddy for their only visitor");
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
