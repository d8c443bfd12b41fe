// Three regions and one slum under load: what visitors notice when the home region is killed, or hangs.
import { join } from "node:path";
import { startSlumWith } from "../e2e/slum.ts";
import { startTen, type Ten } from "../e2e/ten.ts";
import type { LoadReport } from "../support/load.ts";
import { type Figure, ms } from "./figure.ts";

const HOST = "acme.example.com";
const CONNECTIONS = 16;
const BEFORE_MS = 3_000;
const AFTER_MS = 12_000;

const ENDS = { SIGKILL: "home region killed", SIGSTOP: "home region hangs (SIGSTOP)" } as const;

export async function measureFailover(): Promise<Figure[]> {
  return [...(await measureEnd("SIGKILL")), ...(await measureEnd("SIGSTOP"))];
}

async function measureEnd(signal: keyof typeof ENDS): Promise<Figure[]> {
  await using opened = new AsyncDisposableStack();
  const regions = await Promise.all(["iad", "fra", "syd"].map(startRegion));
  for (const { ten } of regions) opened.use(ten);
  // Checks as they are by default, so rare that only the traffic can notice in time.
  const slum = opened.use(await startSlumWith({ interval: 30 }));
  for (const { id, ten } of regions) await slum.ok("server", "add", id, `http://127.0.0.1:${ten.port}`);
  await slum.ok("tenant", "add", "acme", HOST, "iad", "api", "prod");
  const home = regions[0]?.ten;
  const loads = (["GET", "POST"] as const).map((method) => opened.use(startLoad(slum.port, method)));
  await Bun.sleep(BEFORE_MS);
  const endedAt = Date.now();
  home?.kill(signal);
  await Bun.sleep(AFTER_MS);
  // What was sent to a region that hangs, and may not be repeated, waits for it.
  if (signal === "SIGSTOP") home?.kill("SIGCONT");
  return await Promise.all(
    loads.map(async ({ method, end }) => ({
      what: `${ENDS[signal]}, ${method}`,
      ...figureOf(await end(), endedAt),
    })),
  );
}

function figureOf({ ok, failed, slowestMs, lastFailedAt }: LoadReport, endedAt: number) {
  const count = Object.values(failed).reduce((sum, one) => sum + one, 0);
  const last = count === 0 ? "" : `last failure ${ms(lastFailedAt - endedAt)} after; `;
  return { value: `${count} of ${ok + count} failed`, note: `${last}slowest answer ${ms(slowestMs)}` };
}

async function startRegion(id: string): Promise<{ readonly id: string; readonly ten: Ten }> {
  const ten = await startTen();
  await ten.ok("deploy", "api:prod");
  return { id, ten };
}

function startLoad(port: number, method: "GET" | "POST") {
  const script = join(import.meta.dir, "../support/load.ts");
  const words = [String(port), HOST, String(CONNECTIONS), method];
  const child = Bun.spawn([process.execPath, script, ...words], { stdin: "ignore", stdout: "pipe" });
  return {
    method,
    async end(): Promise<LoadReport> {
      child.kill("SIGTERM");
      return JSON.parse((await child.stdout.text()).replace("ready\n", "")) as LoadReport;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
