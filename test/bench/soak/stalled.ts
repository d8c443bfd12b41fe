// What strangers that stall may cost in memory: each trial on a server of its own, its peak above what it had at rest.
import { connect, type Socket } from "node:net";
import { until } from "../../support/until.ts";
import { cpuMs } from "../usage.ts";
import type { Measured, Scenario } from "./figure.ts";
import { type House, startHouse } from "./house.ts";
import { crowd, others, percentile } from "./line.ts";

const BLOCK = Buffer.alloc(1024 * 1024, 120);
/** A masked binary frame of 60 MB: its head; what follows is whatever is written. */
const FRAME_60_MB = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 3, 0xc0, 0, 0, 0, 0, 0, 0]);
const UPGRADE =
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const MB = 1024 * 1024;
/** Nothing has moved for so long. */
const STILL_MS = 1_500;
/** What all strangers' bytes may take, which is what `held_memory_mb` says. */
const MOST_MB = 256;
const SLOW_HEADS = 2_000;
const IDLE = 10_000;

interface Stranger {
  readonly socket: Socket;
  /** What our kernel has taken of what it sends. */
  sent(): number;
}

function stranger(port: number, begin: string, reads: boolean): Promise<Stranger> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true }, () => {
      if (reads) socket.on("data", () => {});
      else socket.pause();
      socket.write(begin);
      resolve({ socket, sent: () => socket.bytesWritten - socket.writableLength });
    });
    socket.on("error", reject);
  });
}

/** Writes for as long as it is taken. */
function pour({ socket }: Stranger, first: Buffer = BLOCK): void {
  const more = () => {
    while (!socket.destroyed && socket.write(BLOCK));
  };
  socket.write(first);
  socket.on("drain", more);
  more();
}

async function untilStill(measure: () => number): Promise<void> {
  let [before, since] = [Number.NaN, performance.now()];
  await until(
    "nothing moves any more",
    async () => {
      const now = measure();
      if (Math.abs(now - before) > 1) [before, since] = [now, performance.now()];
      await Bun.sleep(100);
      return performance.now() - since > STILL_MS;
    },
    60_000,
  );
}

/** The peak of a server during a trial, above what it had at rest. */
async function trial(what: string, run: (house: House) => Promise<readonly Stranger[]>): Promise<Measured[]> {
  await using house = await startHouse([process.execPath, "stalled-origin.ts"], ["a"], "request_timeout = 0");
  await crowd(house.ten.port, 8, 2_000, house.request("/small"));
  const rest = house.rssMb();
  house.peakMb();
  const strangers = await run(house);
  await untilStill(() => cpuMs([house.ten.pid]) / 50);
  const others_ = await crowd(house.ten.port, 4, 400, house.request("/small"));
  const figures: Measured[] = [
    {
      what: `${what}: peak above ${rest.toFixed(0)} MB at rest`,
      value: house.peakMb() - rest,
      unit: "MB",
      most: MOST_MB,
    },
    {
      what: `${what}: others that failed meanwhile`,
      value: others(others_, "200"),
      unit: "requests",
      most: 0,
    },
    { what: `${what}: others, p99`, value: percentile(others_.micros, 99) / 1_000, unit: "ms" },
  ];
  for (const { socket } of strangers) socket.destroy();
  await until("all have left", () => house.openFiles() < 60, 30_000);
  return figures;
}

function many(count: number, house: House, request: string, reads: boolean): Promise<Stranger[]> {
  return Promise.all(Array.from({ length: count }, () => stranger(house.ten.port, request, reads)));
}

const asking = (house: House, path: string, fields = "", method = "GET") =>
  house
    .request(path)
    .replace(/^GET/, method)
    .replace(/\r\n\r\n$/, `\r\n${fields}\r\n`);

async function idle(house: House): Promise<Stranger[]> {
  const all: Stranger[] = [];
  while (all.length < IDLE) all.push(...(await many(200, house, house.request("/small"), true)));
  return all;
}

export const stalled: Scenario = {
  name: "stalled",
  about:
    "memory while 100 WebSockets, 20 downloads, 10 uploads stall, 10,000 connections idle and 2,000 heads drip",
  async run() {
    const sockets = await trial("100 WebSockets, apps pour 60 MB at visitors that do not read", (house) =>
      many(100, house, asking(house, "/ws-pours", UPGRADE), false),
    );
    const deaf = await trial(
      "100 WebSockets, visitors send 60 MB to apps that do not read",
      async (house) => {
        const all = await many(100, house, asking(house, "/ws-deaf", UPGRADE), true);
        for (const one of all) pour(one, FRAME_60_MB);
        return all;
      },
    );
    const downloads = await trial("20 downloads of 1 GB that nobody reads", (house) =>
      many(20, house, asking(house, "/download"), false),
    );
    let taken = 0;
    const uploads = await trial("10 uploads of 1 GB to an app that does not read", async (house) => {
      const all = await many(
        10,
        house,
        asking(house, "/deaf", `Content-Length: ${1024 * MB}\r\n`, "POST"),
        true,
      );
      for (const one of all) pour(one);
      await untilStill(() => all.reduce((sum, one) => sum + one.sent(), 0));
      taken = all.reduce((sum, one) => sum + one.sent(), 0) / MB;
      return all;
    });
    const idling = await trial(`${IDLE} connections that idle`, idle);
    const slow = await trial(`${SLOW_HEADS} heads that do not end`, (house) =>
      many(SLOW_HEADS, house, house.request("/small").slice(0, 30), true),
    );
    const held = { what: "of the uploads taken, kernels' buffers among it", value: taken, unit: "MB" };
    return [...sockets, ...deaf, ...downloads, ...uploads, held, ...idling, ...slow];
  },
};
