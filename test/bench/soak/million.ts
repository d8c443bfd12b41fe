// A million requests, 20,000 that their client aborts, and 20,000 to a dead target: whether memory and descriptors come back.
import type { Measured, Scenario } from "./figure.ts";
import { type House, startHouse } from "./house.ts";
import { crowd, Line, others } from "./line.ts";

const LINES = 64;
const REQUESTS = 1_000_000;
const ABORTED = 20_000;
const ABORTING = 100;
const DEAD = 20_000;
/** Each waits half a second for news about its target, and at most a thousand do at a time. */
const DEAD_LINES = 900;
const WARM_UP = 100_000;
const REST_MS = 15_000;
/** What memory may be beyond that before, and how long it may take to come back to it. */
const BEYOND_MB = 10;
const MOST_MS = 30_000;

/** Sends the request and goes away: at once, or with the first byte of the answer. */
async function abort(house: House, path: string, isAnswered: boolean): Promise<void> {
  const gone = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: house.ten.port,
    socket: { data: (self) => self.terminate(), close: () => gone.resolve(), error() {} },
  });
  socket.write(house.request(path, "a"));
  if (!isAnswered) setTimeout(() => socket.terminate(), Math.random() * 20);
  await gone.promise;
}

async function abortMany(house: House): Promise<void> {
  let left = ABORTED;
  const visitor = async () => {
    for (; left > 0; await abort(house, left % 2 === 0 ? "/hang" : "/endless", left % 2 === 1)) left -= 1;
  };
  await Promise.all(Array.from({ length: ABORTING }, visitor));
}

/** How many requests still hang in the origin: a visitor's leaving should have ended them. */
async function leftHanging(house: House): Promise<number> {
  const deadline = performance.now() + 5_000;
  for (;;) {
    const { body } = await house.ten.get("a.api.localhost", "/hanging");
    if (body === "0" || performance.now() > deadline) return Number(body);
    await Bun.sleep(100);
  }
}

/** How many seconds it takes until memory has come back, and what is left then. */
async function recovered(house: House, before: number): Promise<{ seconds: number; beyond: number }> {
  const begun = performance.now();
  for (;;) {
    const beyond = house.rssMb() - before;
    const ms = performance.now() - begun;
    if (beyond <= BEYOND_MB || ms > MOST_MS) return { seconds: ms / 1_000, beyond };
    await Bun.sleep(500);
  }
}

async function askDead(house: House): Promise<number> {
  const line = await Line.open(house.ten.port);
  await line.ask(house.request("/deafen", "b"));
  line.close();
  const tally = await crowd(house.ten.port, DEAD_LINES, DEAD, house.request("/1k", "b"));
  return others(tally, "502");
}

export const million: Scenario = {
  name: "million",
  about: "a million requests, 20,000 aborted, 20,000 to a dead target",
  async run() {
    await using house = await startHouse([process.execPath, "origin.ts"], ["a", "b"], 'restart = "never"');
    const fresh = house.rssMb();
    const request = house.request("/1k", "a");
    await crowd(house.ten.port, LINES, WARM_UP, request);
    await Bun.sleep(REST_MS);
    const before = { rss: house.rssMb(), files: house.openFiles() };
    house.peakMb();
    const tally = await crowd(house.ten.port, LINES, REQUESTS, request);
    const served: Measured = { what: "RSS after the million", value: house.rssMb(), unit: "MB" };
    await abortMany(house);
    const aborted: Measured = { what: "RSS after the aborted", value: house.rssMb(), unit: "MB" };
    const hanging = await leftHanging(house);
    const wrong = await askDead(house);
    const dead: Measured = { what: "RSS after the dead target", value: house.rssMb(), unit: "MB" };
    const peak = house.peakMb();
    const { seconds, beyond } = await recovered(house, before.rss);
    return [
      { what: "RSS when it has started", value: fresh, unit: "MB" },
      { what: `RSS before, warm (${WARM_UP.toLocaleString("en")} requests)`, value: before.rss, unit: "MB" },
      served,
      aborted,
      dead,
      { what: "peak RSS", value: peak, unit: "MB" },
      { what: "RSS beyond that before", value: beyond, unit: "MB", most: BEYOND_MB },
      { what: "back after", value: seconds, unit: "s" },
      {
        what: "descriptors beyond those before",
        value: house.openFiles() - before.files,
        unit: "files",
        most: 4,
      },
      { what: "of a million not answered with 200", value: others(tally, "200"), unit: "requests", most: 0 },
      { what: "aborted, still hanging in the origin", value: hanging, unit: "requests", most: 0 },
      { what: "to a dead target, not answered with 502", value: wrong, unit: "requests", most: 0 },
    ];
  },
};
