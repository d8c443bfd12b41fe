// One service whose versions behave in different ways, each a directory: what deploys, lifecycles and refusals are tried on.
import { writeRelease } from "../support/releases.ts";
import { startTen, type Ten, type TenOptions } from "./ten.ts";

const SERVE = `
import { existsSync, writeSync } from "node:fs";
const { HOST: hostname, PORT, TEN_VERSION } = process.env;
const reply = async (request: Request) => {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === "/exit") process.exit(9);
  if (pathname === "/held") while (!existsSync(process.env.GATE ?? "")) await Bun.sleep(5);
  if (pathname === "/slow") await Bun.sleep(Number(searchParams.get("ms")));
  if (request.method === "POST") writeSync(1, \`seen \${await request.text()}\\n\`);
  return new Response(TEN_VERSION);
};
`;
const GOOD = `${SERVE}
Bun.serve({ port: Number(PORT), hostname, idleTimeout: 0, fetch: reply });
`;

/** Versions that are not as they should be; every other version is good. */
const STRANGE: Readonly<Record<string, string>> = {
  crash: `for (let n = 1; n <= 30; n++) console.log("line", n);
console.error("no database");
process.exit(7);
`,
  killed: `process.kill(process.pid, "SIGKILL");
`,
  sick: `${SERVE}
console.log("my pid is", process.pid);
Bun.serve({ port: Number(PORT), hostname, fetch: () => new Response("migrating", { status: 503 }) });
`,
  elsewhere: `const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("ok") });
console.log("I listen on", server.port);
`,
  silent: `setInterval(() => {}, 1000);
console.log("I listen on nothing");
`,
  // A grandchild that nobody but the session knows, and nothing that SIGTERM would end.
  stubborn: `${SERVE}
process.on("SIGTERM", () => console.log("SIGTERM"));
const child = Bun.spawn(["sh", "-c", "trap '' TERM; sleep 300 & echo grandchild $!; wait"], { stdout: "inherit" });
console.log("child", child.pid);
Bun.serve({ port: Number(PORT), hostname, fetch: reply });
`,
  // As two instances: the first ends while the second has not begun to listen.
  brief: `${SERVE}
const isFirst = process.env.TEN_INSTANCE?.endsWith("-1");
await Bun.sleep(isFirst ? 0 : 1_000);
Bun.serve({ port: Number(PORT), hostname, fetch: reply });
if (isFirst) setTimeout(() => process.exit(4), 400);
`,
  // Healthy while a file exists, until it is told to fall.
  fickle: `${SERVE}
let fallen = false;
console.log("started");
Bun.serve({
  port: Number(PORT),
  hostname,
  fetch(request) {
    if (request.url.endsWith("/fall")) fallen = true;
    const isWell = !fallen && existsSync(process.env.GATE ?? "");
    return isWell ? reply(request) : new Response("fallen", { status: 503 });
  },
});
`,
  // Healthy only once a file exists beside its data directory's service folder.
  gated: `${SERVE}
console.log("waiting for the gate");
Bun.serve({
  port: Number(PORT),
  hostname,
  fetch: (request) =>
    existsSync(process.env.GATE ?? "") ? reply(request) : new Response("closed", { status: 503 }),
});
`,
};

/** Starts a server with \`api\` (and \`web\`, the same again) whose version v1, v2, ... are good and the named ones strange. */
export function startFleet(
  options: Omit<TenOptions, "toml" | "prepare"> & {
    settings?: string;
    startupTimeout?: number;
    graceSecs?: number;
    drainSecs?: number;
  } = {},
): Promise<Ten> {
  const service = (name: string) => `
[service.${name}]
command = ${JSON.stringify(`'${process.execPath}' app.ts`)}
workdir = "releases/{version}"
health = "/health"
drain_timeout = ${options.drainSecs ?? 10}
stop_grace_period_secs = ${options.graceSecs ?? 2}
startup_timeout = ${options.startupTimeout ?? 15}
${options.service ?? ""}
[service.${name}.env]
GATE = "{data_dir}/_gate"
`;
  return startTen({
    ...options,
    toml: `[settings]\nhealth_check_interval = 1\nbackoff_base_ms = 50\n${options.settings ?? ""}\n${service("api")}${service("web")}`,
    prepare(dir) {
      for (const version of ["v1", "v2", "v3"]) writeRelease(dir, version, "app.ts", GOOD);
      for (const [version, source] of Object.entries(STRANGE)) writeRelease(dir, version, "app.ts", source);
    },
  });
}

/** Opens the gate that the version \`gated\` waits for. */
export async function openGate(ten: Ten): Promise<void> {
  await Bun.write(`${ten.dataDir}/_gate`, "open");
}
