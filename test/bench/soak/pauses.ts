// 10,000 POSTs to a Node backend with pauses around the 5 seconds after which it closes idle connections: its log decides.
import { readFileSync } from "node:fs";
import type { Scenario } from "./figure.ts";
import { startHouse } from "./house.ts";
import { Line } from "./line.ts";

const LINES = 1_000;
const EACH = 10;
const PAUSE_MS = 5_000;
const SPREAD_MS = 100;

export const pauses: Scenario = {
  name: "pauses",
  about: "10,000 POSTs with pauses of 4.9 to 5.1 s to a Node backend",
  async run() {
    await using house = await startHouse(["node", "node-origin.mjs"], ["a"]);
    const { port, dataDir } = house.ten;
    let failed = 0;
    const answered = new Set<string>();
    const visitor = async (_: unknown, number: number) => {
      const line = await Line.open(port);
      for (let nth = 0; nth < EACH; nth++) {
        const id = `id-${number}-${nth}`;
        const request = `POST / HTTP/1.1\r\nHost: api.localhost\r\nContent-Length: ${id.length}\r\n\r\n${id}`;
        const status = await line.ask(request).then(
          (reply) => reply.status,
          () => 0,
        );
        if (status === 200) answered.add(id);
        else failed += 1;
        if (nth + 1 < EACH) await Bun.sleep(PAUSE_MS + (2 * Math.random() - 1) * SPREAD_MS);
      }
      line.close();
    };
    await Promise.all(Array.from({ length: LINES }, visitor));
    const log = readFileSync(`${dataDir}/api/_logs/a/stdout.log`, "utf8");
    const seen = [...log.matchAll(/^seen (\S+)$/gm)].map(([, id = ""]) => id);
    const once = new Set(seen);
    const lost = [...answered].filter((id) => !once.has(id)).length;
    return [
      { what: "POSTs seen by the origin", value: seen.length, unit: "requests" },
      { what: "seen twice", value: seen.length - once.size, unit: "requests", most: 0 },
      { what: "answered with 200 and not seen", value: lost, unit: "requests", most: 0 },
      { what: "not answered with 200", value: failed, unit: "requests", most: 0 },
    ];
  },
};
