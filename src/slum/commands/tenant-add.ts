// `slum tenant add`: gives a domain to a service, or one instance of it, on a home server.
import { choice, list, maybeWord, word } from "../../cli/argument.ts";
import { type Context, command } from "../../cli/command.ts";
import { Fault } from "../../core/fault.ts";
import { parseInstance, parseLabel, parseService } from "../../core/name.ts";
import { quote } from "../../core/quote.ts";
import { parseTenantDomain } from "../fleet/tenant-domain.ts";
import { readLabel } from "./arguments.ts";
import { connect } from "./connect.ts";
import { targetOf, warn } from "./report.ts";

export default command({
  name: "add",
  summary: "Send a domain to a service on a server",
  description:
    "Without an instance the service's weights decide. Without --failover all other servers take over when the home server is down, lowest latency first. With --writes home only GET, HEAD and OPTIONS ever leave the home server: for databases with one writer.",
  examples: [
    ["slum tenant add acme acme.example.com iad api prod", "api:prod on iad, else on any other server"],
    [
      "slum tenant add acme acme.example.com iad api --failover fra,syd",
      "by the weights of api; fra, then syd",
    ],
    [
      "slum tenant add beta '*.beta.com' fra api beta --failover none",
      "every subdomain, on fra and nowhere else",
    ],
  ],
  args: {
    id: word("The id that the tenant gets", { hint: "TENANT", read: readLabel }),
    domain: word("Its domain; *.acme.com covers one label", { hint: "DOMAIN", read: parseTenantDomain }),
    server: word("The home server", { hint: "SERVER", read: readLabel, names: "server" }),
    service: word("The service that serves it there, or one instance of it as SERVICE:ID", {
      hint: "SERVICE",
      read: readService,
    }),
    instance: maybeWord("One instance of it; all of them by weight unless given", {
      hint: "ID",
      read: readLabel,
    }),
    failover: list("Servers that take over, in this order, or none; all unless given", {
      hint: "SERVERS|none",
      names: "server",
    }),
    writes: choice("Where other methods than GET, HEAD and OPTIONS may go; any unless given", [
      "home",
      "any",
    ]),
  },
  async run(context) {
    const { args, out, signal } = context;
    const { id, domain, server, writes } = args;
    const { service, instance } = targetFrom(args.service, args.instance);
    const failover = readFailover(args.failover);
    if (args.instance !== undefined && failover !== undefined)
      await refuseServer(context, args.instance, failover, service);
    const body = {
      id,
      domain,
      server,
      service,
      ...(instance !== undefined && { instance }),
      ...(failover && { failover }),
      ...(writes && { writes }),
    };
    const { tenant, warnings } = await connect(context).addTenant({ body }, { signal });
    out.data({ tenant, warnings }, () => `added ${id}: ${domain} goes to ${targetOf(tenant)} on ${server}\n`);
    warn(out, warnings);
    return 0;
  },
});

interface Target {
  readonly service: string;
  readonly instance: string | undefined;
}

/** `api`, or `api:prod`. */
function readService(text: string): Target {
  if (!text.includes(":")) return { service: parseService(text), instance: undefined };
  const { service, id } = parseInstance(text);
  return { service, instance: id };
}

function targetFrom({ service, instance }: Target, word: string | undefined): Target {
  if (instance === undefined || word === undefined) return { service, instance: instance ?? word };
  throw new Fault(
    "usage",
    `the instance is given twice, as ${service}:${instance} and as ${quote(word)}`,
    `write ${service}:${instance}, and nothing behind it`,
  );
}

/** A name behind a list of servers is far more likely to be one more of them. */
async function refuseServer(
  context: Context,
  instance: string,
  failover: readonly string[],
  service: string,
): Promise<void> {
  const { servers } = await connect(context).listServers({}, { signal: context.signal });
  if (!servers.some(({ id }) => id === instance)) return;
  throw new Fault(
    "usage",
    `${instance} is a server, and stands where the instance does`,
    `write --failover ${[...failover, instance].join(",")}; if an instance is called so: ${service}:${instance}`,
  );
}

/** Undefined: all others. */
function readFailover(names: readonly string[]): string[] | undefined {
  if (names.length === 0) return undefined;
  if (names.length === 1 && names[0] === "none") return [];
  if (names.includes("none"))
    throw new Fault("usage", "--failover has none among servers", "give none alone, or only servers");
  return names.map((name) => parseLabel(name, "failover"));
}
