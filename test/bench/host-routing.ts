// slum against HAProxy and Caddy, which route the same hundred domains to the same two origins and set the same fields.
import { startSlumWith } from "../e2e/slum.ts";
import {
  type Contender,
  HOST,
  haproxyFront,
  RECIPES,
  type Recipe,
  startHome,
  startOther,
} from "./contender.ts";
import type { Figure } from "./figure.ts";
import { measure } from "./measure.ts";
import { median, summarise } from "./report.ts";

const HOSTS = 100;
const PLAN = { rounds: 5, seconds: 2, warmUpSeconds: 4 };
const CELLS = [16, 256].map((connections) => ({
  ...{ name: `1k x${connections}`, path: "/1k", bodyBytes: 1_024, keepAlive: true },
  ...{ connections, hosts: HOSTS },
}));

/** The domains of each origin; the first one is also what a contender is asked for until it answers. */
function domainsOf(origin: number, origins: readonly number[]): string[] {
  const own = Array.from({ length: HOSTS }, (_, index) => index).filter(
    (index) => index % origins.length === origins.indexOf(origin),
  );
  return [...(origin === origins[0] ? [HOST] : []), ...own.map((index) => `t${index}.example.com`)];
}

/** Like the recipe of that name, but for the configuration. */
const recipe = (name: string, config: Recipe["config"]): Recipe => ({ ...(RECIPES[name] as Recipe), config });

const ROUTING: Readonly<Record<string, Recipe>> = {
  haproxy: recipe(
    "haproxy",
    (port, origins) => `
${haproxyFront(port)}  http-request set-header X-Tenement-Instance api:prod
${origins.map((origin) => `  acl is${origin} req.hdr(host),lower -m str ${domainsOf(origin, origins).join(" ")}`).join("\n")}
${origins.map((origin) => `  use_backend b${origin} if is${origin}`).join("\n")}
${origins
  .map(
    (origin) => `backend b${origin}
  http-request set-header Host 127.0.0.1:${origin}
  server o${origin} 127.0.0.1:${origin}
`,
  )
  .join("")}`,
  ),
  caddy: recipe(
    "caddy",
    (port, origins) => `
{
  admin off
  auto_https off
}
${origins
  .map(
    (origin) => `${domainsOf(origin, origins)
      .map((domain) => `http://${domain}:${port}`)
      .join(", ")} {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:${origin} {
    header_up Host {upstream_hostport}
    header_up X-Tenement-Instance api:prod
    transport http {
      keepalive_idle_conns_per_host 1024
    }
  }
}
`,
  )
  .join("")}`,
  ),
};

export async function measureHostRouting(): Promise<Figure[]> {
  await using opened = new AsyncDisposableStack();
  const { origins } = opened.use(await startHome());
  const contenders: Contender[] = [opened.use(await startContender(origins))];
  for (const [name, how] of Object.entries(ROUTING)) {
    const other = await startOther(name, origins, how);
    if (other) contenders.push(opened.use(other));
    else process.stdout.write(`skipped: ${name} is not installed\n`);
  }
  const figures: Figure[] = [];
  for (const cell of CELLS) {
    const turns = await measure(contenders, cell, PLAN);
    const slum = turns.get("slum") ?? [];
    for (const { proxy, cpuMicros, perSecond, failed, rounds } of summarise(cell.name, turns)) {
      const ratios = slum.map((one, round) => one.cpuMicros / (rounds[round]?.cpuMicros ?? Number.NaN));
      const compared = proxy === "slum" ? "" : `; slum / ${proxy} ${median(ratios).toFixed(2)}`;
      figures.push({
        what: `${HOSTS} domains, ${cell.name}: ${proxy}, CPU a request`,
        value: `${cpuMicros.toFixed(1)} µs`,
        note: `${perSecond.toFixed(0)} a second, ${failed} failed${compared}`,
      });
    }
  }
  return figures;
}

async function startContender(origins: readonly number[]): Promise<Contender> {
  const slum = await startSlumWith({ interval: 30 });
  for (const origin of origins) {
    await slum.ok("server", "add", `s${origin}`, `http://127.0.0.1:${origin}`);
    for (const [index, domain] of domainsOf(origin, origins).entries())
      await slum.ok("tenant", "add", `t${origin}-${index}`, domain, `s${origin}`, "api", "prod");
  }
  const { stdout } = await slum.ok("--version");
  const version = /\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? "unknown";
  const { port, pid } = slum;
  return {
    name: "slum",
    version,
    port,
    // Asked by http only.
    tlsPort: port,
    pids: [pid],
    [Symbol.asyncDispose]: () => slum[Symbol.asyncDispose](),
  };
}
