// A `ten serve` from the compiled binary with the instances that a scenario needs, and what its process uses.
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startTen, type Ten } from "../../e2e/ten.ts";
import { until } from "../../support/until.ts";
import { memoryMb } from "../usage.ts";

export interface House extends AsyncDisposable {
  readonly ten: Ten;
  /** A request for the service, or for one of its instances. */
  request(path: string, instance?: string): string;
  rssMb(): number;
  openFiles(): number;
  /** The highest resident memory since the last call. */
  peakMb(): number;
}

/** `command` runs a file of this folder with the port as its only argument; `more` is for `[service.api]`. */
export async function startHouse(
  command: readonly [program: string, file: string],
  ids: readonly string[],
  more = "",
): Promise<House> {
  const [program, file] = command;
  const ten = await startTen({
    toml: `
[service.api]
command = ${JSON.stringify(program)}
args = ${JSON.stringify([join(import.meta.dir, file), "{port}"])}
startup_timeout = 15
${more}

[instances]
api = ${JSON.stringify(ids)}
`,
  });
  await until(
    "all instances are healthy",
    async () => {
      const all = Object.values(await ten.ps());
      return all.length === ids.length && all.every(({ state }) => state === "healthy");
    },
    20_000,
  );
  return {
    ten,
    request: (path, instance) =>
      `GET ${path} HTTP/1.1\r\nHost: ${instance === undefined ? "" : `${instance}.`}api.localhost\r\n\r\n`,
    rssMb: () => memoryMb([ten.pid]).now,
    openFiles: () => readdirSync(`/proc/${ten.pid}/fd`).length,
    peakMb() {
      const { peak } = memoryMb([ten.pid]);
      // Makes the kernel forget the peak (proc(5)).
      writeFileSync(`/proc/${ten.pid}/clear_refs`, "5");
      return peak;
    },
    [Symbol.asyncDispose]: () => ten[Symbol.asyncDispose](),
  };
}
