// kill -9 of one of three instances under a mixed load: how many of how many failed, and which of those were allowed to.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { LoadReport } from "../../support/load.ts";
import { until } from "../../support/until.ts";
import type { Scenario } from "./figure.ts";
import { startHouse } from "./house.ts";

const CONNECTIONS = 25;
const IDS = ["a", "b", "c"];
const KILLS = 3;
const BETWEEN_MS = 2_000;

function startLoad(port: number, method: string) {
  const script = join(import.meta.dir, "../../support/load.ts");
  const words = [String(port), "api.localhost", String(CONNECTIONS), method];
  const child = Bun.spawn([process.execPath, script, ...words], { stdin: "ignore", stdout: "pipe" });
  return async (): Promise<LoadReport> => {
    child.kill("SIGTERM");
    return JSON.parse((await child.stdout.text()).replace("ready\n", ""));
  };
}

const failuresOf = ({ failed }: LoadReport) => Object.values(failed).reduce((sum, count) => sum + count, 0);

export const killed: Scenario = {
  name: "killed",
  about: "kill -9 of one of three instances, three times, under GETs and POSTs",
  async run() {
    await using house = await startHouse(["node", "node-origin.mjs"], IDS);
    const { ten } = house;
    const ends = [startLoad(ten.port, "GET"), startLoad(ten.port, "POST")] as const;
    for (let round = 0; round < KILLS; round++) {
      await Bun.sleep(BETWEEN_MS);
      const id = `api:${IDS[round]}`;
      const pid = (await ten.ps())[id]?.pid ?? 0;
      process.kill(pid, "SIGKILL");
      await until(
        `${id} is back`,
        async () => {
          const now = (await ten.ps())[id];
          return now?.state === "healthy" && now.pid !== pid;
        },
        20_000,
      );
    }
    await Bun.sleep(BETWEEN_MS);
    const [gets, posts] = await Promise.all([ends[0](), ends[1]()]);
    const seen = IDS.flatMap((id) => {
      const log = readFileSync(`${ten.dataDir}/api/_logs/${id}/stdout.log`, "utf8");
      return [...log.matchAll(/^seen (\S+)$/gm)].map(([, each = ""]) => each);
    });
    const once = new Set(seen);
    // Sent to the one that died and not answered: at most one for each connection and kill, each with a 502 of its own.
    const allowed = Math.min(posts.failed["502"] ?? 0, KILLS * CONNECTIONS);
    return [
      { what: "GETs answered with 200", value: gets.ok, unit: "requests" },
      { what: "GETs failed", value: failuresOf(gets), unit: "requests", most: 0 },
      { what: "POSTs answered with 200", value: posts.ok, unit: "requests" },
      { what: "POSTs failed, allowed: cut on the one killed", value: allowed, unit: "requests" },
      { what: "POSTs failed otherwise", value: failuresOf(posts) - allowed, unit: "requests", most: 0 },
      { what: "POSTs seen twice", value: seen.length - once.size, unit: "requests", most: 0 },
      {
        what: "POSTs answered with 200 and not seen",
        value: posts.answered.filter((each) => !once.has(each)).length,
        unit: "requests",
        most: 0,
      },
      { what: "slowest answer", value: Math.max(gets.slowestMs, posts.slowestMs), unit: "ms" },
    ];
  },
};
