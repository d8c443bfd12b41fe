// `ten caddy`: a Caddyfile that puts Caddy's TLS in front of the server.
import { flag, option } from "../../cli/argument.ts";
import { adviseCaddy, caddyArgs, giveCaddyfile, isLocal } from "../../cli/caddy.ts";
import { type Context, command } from "../../cli/command.ts";
import type { CaddySite } from "../../core/caddyfile.ts";
import { parseDomain } from "../../core/domain.ts";
import { Fault } from "../../core/fault.ts";
import { createTrust } from "../../core/trusted-proxies.ts";
import { loadConfig } from "../config/config.ts";
import { describe } from "../config/describe.ts";
import type { TomlDocument } from "../config/toml-schema.ts";
import { connect } from "./connect.ts";

export default command({
  name: "caddy",
  summary: "Print a Caddyfile: Caddy's TLS in front of the server, for all its hosts",
  description:
    "Of the running server, or of tenement.toml when none answers: its own host, a host for each service, and their domains. Caddy fetches certificates for them by itself, once their names lead to it. Hosts of single instances need a DNS challenge: they are there as a comment, or for good with --dns; or they get a certificate each when somebody first comes, with --on-demand.",
  examples: [
    ["ten caddy --domain example.com", "look at it"],
    [
      "sudo ten caddy --domain example.com --out /etc/caddy/Caddyfile",
      "over the sample of a fresh Caddy too; then: sudo systemctl reload caddy",
    ],
    ["ten caddy --dns cloudflare", "with wildcard hosts, for a Caddy that has this module"],
  ],
  args: {
    domain: option("The domain under which services get hosts; that of the running server unless given", {
      hint: "D",
      read: (text: string) => parseDomain(text),
    }),
    onDemand: flag("Certificates for hosts of single instances, with their first visitor"),
    ...caddyArgs,
  },
  async run(context) {
    const { args, out } = context;
    const { document, domain: found, port } = await serverOf(context);
    const domain = args.domain ?? found ?? document.settings.domain;
    const services = Object.entries(document.service);
    if (args.onDemand && document.routing.default !== undefined)
      throw new Fault(
        "usage",
        "--on-demand does not go with a default service: Caddy's question would be that service's to answer",
        "use wildcard certificates: --dns PROVIDER",
      );
    const own = document.routing.default === undefined ? [domain] : [domain, `ten.${domain}`];
    const site: CaddySite = {
      program: "ten",
      domain,
      upstream: args.upstream ?? `127.0.0.1:${port ?? document.settings.port ?? 8080}`,
      hosts: [...own, ...services.flatMap(([name, { domains }]) => [`${name}.${domain}`, ...domains])],
      wildcards: services
        .filter(([, { direct }]) => direct === "open" || direct === "preview")
        .map(([name]) => `*.${name}.${domain}`),
      onDemand: args.onDemand,
      email: args.email,
      dns: args.dns,
    };
    giveCaddyfile(out, site, args);
    adviseCaddy(out, site);
    if (!isLocal(site.upstream))
      out.hint("add Caddy's address to trusted_proxies, so that apps see their visitors' addresses");
    else if (!createTrust(document.settings.trusted_proxies)("127.0.0.1"))
      out.warn("trusted_proxies lacks 127.0.0.1: apps would take Caddy for their only visitor");
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
    const options = { env: context.env, ...(args.domain !== undefined && { domain: args.domain }) };
    return { document: describe(loadConfig(process.cwd(), globals.config, options)) };
  }
}
