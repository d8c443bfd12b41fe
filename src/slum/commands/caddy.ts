// `slum caddy`: a Caddyfile that puts Caddy's TLS in front of a slum, for tenants that come and go.
import { option, withDefault } from "../../cli/argument.ts";
import { adviseCaddy, caddyArgs, giveCaddyfile } from "../../cli/caddy.ts";
import { command } from "../../cli/command.ts";
import type { CaddySite } from "../../core/caddyfile.ts";
import { parseDomain } from "../../core/domain.ts";
import { connect, listAllTenants } from "./connect.ts";

export default command({
  name: "caddy",
  summary: "Print a Caddyfile: Caddy's TLS in front of slum, for its own host and every tenant",
  description:
    "Tenants get their certificates when somebody first comes: Caddy asks slum whether it knows the host. So the file stays as it is when tenants come and go. With --dns, tenants with a wildcard get wildcard certificates.",
  examples: [
    ["slum caddy --domain slum.example.com", "look at it"],
    [
      "sudo slum caddy --domain slum.example.com --out /etc/caddy/Caddyfile",
      "over the sample of a fresh Caddy too; then: sudo systemctl reload caddy",
    ],
  ],
  args: {
    domain: withDefault(
      option("slum's own host, where its dashboard and admin API answer", {
        hint: "D",
        read: (text: string) => parseDomain(text),
      }),
      "localhost",
    ),
    ...caddyArgs,
  },
  async run(context) {
    const { args, out, signal } = context;
    const { domain, email, dns } = args;
    const tenants = dns === undefined ? [] : await listAllTenants(connect(context), signal);
    const site: CaddySite = {
      program: "slum",
      domain,
      upstream: args.upstream ?? "127.0.0.1:8080",
      hosts: [domain],
      wildcards: tenants.map((tenant) => tenant.domain).filter((host) => host.startsWith("*.")),
      onDemand: true,
      email,
      dns,
    };
    giveCaddyfile(out, site, args);
    adviseCaddy(out, site);
    return 0;
  },
});
