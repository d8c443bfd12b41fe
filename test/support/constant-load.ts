// Constant load on a server from a process of its own, and waiting until it has got somewhere.
import { join } from "node:path";
import type { LoadReport } from "./load.ts";
import { until } from "./until.ts";

export interface ConstantLoad extends AsyncDisposable {
  /** Waits until the server has counted so many more requests. */
  more(count: number): Promise<void>;
  end(): Promise<LoadReport>;
}

/** Connections that send one request after the other, or, with `each`, one for each request. `counted` is what the server has counted so far. */
export async function startLoad(
  port: number,
  how: { host: string; connections: number; method: "GET" | "POST"; each?: boolean; tls?: boolean },
  counted: () => Promise<number>,
): Promise<ConstantLoad> {
  const script = join(import.meta.dir, "load.ts");
  const { host, connections, method, each = false, tls = false } = how;
  const words = [
    String(port),
    host,
    String(connections),
    method,
    ...(each ? ["each"] : []),
    ...(tls ? ["tls"] : []),
  ];
  const child = Bun.spawn([process.execPath, script, ...words], { stdin: "ignore", stdout: "pipe" });
  return {
    async more(count) {
      const before = await counted();
      await until(`${count} more requests are answered`, async () => (await counted()) >= before + count);
    },
    async end() {
      child.kill("SIGTERM");
      return JSON.parse((await new Response(child.stdout).text()).replace("ready\n", ""));
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
