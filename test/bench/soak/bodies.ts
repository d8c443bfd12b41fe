// A gigabyte down and a gigabyte up, each with a slow client and with a slow origin: what the proxy holds in memory meanwhile.

import type { Measured, Scenario } from "./figure.ts";
import { createReader, createWriter, FAST, type Pace, SLOW, type Writer } from "./flow.ts";
import { type House, startHouse } from "./house.ts";

const GIGABYTE = 1_000_000_000;
const X = 120;

/** Resolves with how many bytes of the body arrived, however they were framed: they are all of one letter. */
function download({ ten }: House, path: string, pace: Pace): Promise<number> {
  return new Promise((resolve, reject) => {
    let head = "";
    let count = 0;
    let read: (bytes: number) => void = () => {};
    void Bun.connect({
      hostname: "127.0.0.1",
      port: ten.port,
      socket: {
        open(socket) {
          read = createReader(socket, pace);
          socket.write(`GET ${path} HTTP/1.1\r\nHost: api.localhost\r\n\r\n`);
        },
        data(socket, bytes) {
          read(bytes.byteLength);
          let at = 0;
          if (!head.includes("\r\n\r\n")) {
            const before = head.length;
            head += bytes.toString("latin1");
            const end = head.indexOf("\r\n\r\n");
            if (end < 0) return;
            at = end + 4 - before;
          }
          for (; at < bytes.byteLength; at++) if (bytes[at] === X) count += 1;
          if (count === GIGABYTE) {
            socket.end();
            resolve(count);
          }
        },
        close: () => resolve(count),
        connectError: (_, error) => reject(error),
      },
    });
  });
}

/** Resolves with how many bytes the origin says it was sent. */
function upload({ ten }: House, path: string, pace: Pace): Promise<number> {
  return new Promise((resolve, reject) => {
    let answer = "";
    let writer: Writer | undefined;
    void Bun.connect({
      hostname: "127.0.0.1",
      port: ten.port,
      socket: {
        open(socket) {
          socket.write(
            `POST ${path} HTTP/1.1\r\nHost: api.localhost\r\nConnection: close\r\nContent-Length: ${GIGABYTE}\r\n\r\n`,
          );
          writer = createWriter(socket, GIGABYTE, pace);
        },
        drain: () => writer?.drained(),
        data(_, bytes) {
          answer += bytes.toString("latin1");
        },
        close: () => resolve(Number(answer.slice(answer.indexOf("\r\n\r\n") + 4))),
        connectError: (_, error) => reject(error),
      },
    });
  });
}

type Case = readonly [what: string, run: (house: House) => Promise<number>];

const CASES: readonly Case[] = [
  ["down, slow client", (house) => download(house, `/?bytes=${GIGABYTE}`, SLOW)],
  ["down, slow origin", (house) => download(house, `/?slow&bytes=${GIGABYTE}`, FAST)],
  ["up, slow origin", (house) => upload(house, "/?slow", FAST)],
  ["up, slow client", (house) => upload(house, "/", SLOW)],
];

export const bodies: Scenario = {
  name: "bodies",
  about: "1 GB down and up at 80 MB/s with a standstill of 5 s",
  async run() {
    await using house = await startHouse([process.execPath, "bulk-origin.ts"], ["a"]);
    const figures: Measured[] = [{ what: "RSS before", value: house.rssMb(), unit: "MB" }];
    for (const [what, run] of CASES) {
      house.peakMb();
      const moved = await run(house);
      figures.push({ what: `peak RSS, ${what}`, value: house.peakMb(), unit: "MB", most: 80 });
      figures.push({ what: `bytes lost, ${what}`, value: GIGABYTE - moved, unit: "bytes", most: 0 });
    }
    return figures;
  },
};
