// Every kind of client at once, for a long time: descriptors, connections that nobody closed, and memory must not grow.
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { until } from "../../support/until.ts";
import { median } from "../report.ts";
import type { Scenario } from "./figure.ts";
import { type House, startHouse } from "./house.ts";
import { Line } from "./line.ts";

/** SOAK_MINUTES says otherwise. */
const MINUTES = 30;
const SAMPLE_MS = 5_000;
const ALIVE_MS = 10_000;
/** Who leaves while it waits may be one that has only ended its half: its connection is kept for 30 s. */
const BREAK_MS = 300;
const CLOSE_WAIT = "08";

type Exchange = (house: House) => Promise<boolean>;

/** Sends bytes, perhaps ends its half or breaks off, and tells whether what came is as it should be. */
function raw(
  house: House,
  bytes: string,
  check: (text: string) => boolean,
  how: "stay" | "end" | "break" = "stay",
) {
  return new Promise<boolean>((resolve) => {
    const socket = connect({ host: "127.0.0.1", port: house.ten.port, allowHalfOpen: true });
    let text = "";
    const late = setTimeout(() => settle(false), ALIVE_MS);
    const settle = (isWell: boolean) => {
      clearTimeout(late);
      socket.destroy();
      resolve(isWell);
    };
    socket.on("connect", () => {
      socket.write(bytes);
      if (how === "end") socket.end();
      if (how === "break") setTimeout(() => settle(true), BREAK_MS * Math.random());
    });
    socket.on("data", (piece) => {
      text += piece.toString("latin1");
      if (how !== "end" && check(text)) settle(true);
    });
    socket.on("end", () => settle(how === "break" || check(text)));
    socket.on("error", () => settle(how === "break"));
  });
}

const ask = (house: House, path: string, fields = "", body = "", method = "GET") =>
  `${house
    .request(path)
    .replace(/^GET/, method)
    .replace(/\r\n\r\n$/, "")}\r\n${fields}\r\n${body}`;
const whole = (count: number) => (text: string) =>
  text.split("HTTP/1.1 200").length > count && text.length > count * 1_024;
const CHUNKS = "Transfer-Encoding: chunked\r\n";

/** A WebSocket: opened, a message there and back, closed by both. */
function talk(house: House): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${house.ten.port}/socket`, {
      headers: { host: "api.localhost" },
    });
    const late = setTimeout(() => resolve(false), ALIVE_MS);
    socket.onopen = () => socket.send("hello");
    socket.onmessage = ({ data }) => socket.close(data === "hello" ? 1000 : 4000);
    socket.onclose = ({ code }) => {
      clearTimeout(late);
      resolve(code === 1000);
    };
  });
}

const KINDS: Readonly<Record<string, Exchange>> = {
  "one connection each": (house) => raw(house, ask(house, "/1k", "Connection: close\r\n"), whole(1), "stay"),
  "half closed": (house) => raw(house, ask(house, "/1k"), whole(1), "end"),
  "HTTP/1.0": (house) =>
    raw(house, ask(house, "/1k").replace("HTTP/1.1", "HTTP/1.0"), (text) => text.endsWith("xxx"), "end"),
  pipelined: (house) => raw(house, ask(house, "/1k").repeat(5), whole(5)),
  "sized body": (house) =>
    raw(house, ask(house, "/1k", "Content-Length: 5000\r\n", "z".repeat(5_000), "POST"), whole(1)),
  "chunked body": (house) =>
    raw(house, ask(house, "/1k", CHUNKS, `1388\r\n${"z".repeat(5_000)}\r\n0\r\n\r\n`, "PUT"), whole(1)),
  "breaks off in its body": (house) =>
    raw(
      house,
      ask(house, "/1k", "Content-Length: 500000\r\n", "z".repeat(50_000), "POST"),
      () => false,
      "break",
    ),
  "breaks off in an answer": (house) => raw(house, ask(house, "/endless"), () => false, "break"),
  "breaks off while it waits": (house) => raw(house, ask(house, "/hang"), () => false, "break"),
  "no HTTP": (house) => raw(house, "\x16\x03\x01 hello\r\n\r\n", (text) => text.startsWith("HTTP/1.1 400")),
  "event stream": (house) =>
    raw(house, ask(house, "/events?count=10"), (text) => text.split("data: ").length > 10),
  WebSocket: (house) => talk(house),
};

async function keepAlive(
  house: House,
  isOver: () => boolean,
  tell: (isWell: boolean) => void,
): Promise<void> {
  let line = await Line.open(house.ten.port);
  while (!isOver()) {
    if (!line.isOpen) line = await Line.open(house.ten.port);
    tell(
      await line.ask(house.request("/1k")).then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
  }
  line.close();
}

/** Connections that a visitor has closed and the server has not. */
function closeWaits(port: number): number {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return readFileSync("/proc/net/tcp", "latin1")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, address, , state]) => address?.endsWith(local) && state === CLOSE_WAIT).length;
}

export const kinds: Scenario = {
  name: "kinds",
  about: `every kind of client at once for ${MINUTES} minutes (SOAK_MINUTES): descriptors, CLOSE-WAIT, memory`,
  async run() {
    const minutes = Number(process.env.SOAK_MINUTES ?? MINUTES);
    await using house = await startHouse([process.execPath, "origin.ts"], ["a", "b"]);
    const before = { files: house.openFiles(), rss: house.rssMb() };
    const end = performance.now() + minutes * 60_000;
    const isOver = () => performance.now() > end;
    const failed: Record<string, number> = {};
    let exchanges = 0;
    const tell = (kind: string) => (isWell: boolean) => {
      exchanges += 1;
      if (!isWell) failed[kind] = (failed[kind] ?? 0) + 1;
    };
    const loops = Object.entries(KINDS).map(async ([kind, exchange]) => {
      while (!isOver()) tell(kind)(await exchange(house));
    });
    const lines = Array.from({ length: 4 }, () => keepAlive(house, isOver, tell("keep-alive")));
    const samples: { rss: number; files: number; waits: number }[] = [];
    const sampling = (async () => {
      while (!isOver()) {
        await Bun.sleep(Math.min(SAMPLE_MS, minutes * 6_000));
        samples.push({ rss: house.rssMb(), files: house.openFiles(), waits: closeWaits(house.ten.port) });
      }
    })();
    await Promise.all([...loops, ...lines, sampling]);
    await until("nothing waits to be closed", () => closeWaits(house.ten.port) === 0, 30_000).catch(() => {});
    for (const [kind, count] of Object.entries(failed))
      process.stderr.write(`kinds: ${kind}: ${count} failed\n`);
    const part = Math.max(1, Math.floor(samples.length / 4));
    const at = (pick: (sample: (typeof samples)[number]) => number, last: boolean) =>
      median((last ? samples.slice(-part) : samples.slice(part, 2 * part)).map(pick));
    const lost = Object.values(failed).reduce((sum, count) => sum + count, 0);
    return [
      {
        what: `exchanges of ${Object.keys(KINDS).length + 1} kinds in ${minutes} minutes`,
        value: exchanges,
        unit: "",
      },
      { what: "failed", value: lost, unit: "exchanges", most: 0 },
      { what: "memory at rest before", value: before.rss, unit: "MB" },
      { what: "memory, second quarter", value: at(({ rss }) => rss, false), unit: "MB" },
      {
        what: "memory, last quarter",
        value: at(({ rss }) => rss, true),
        unit: "MB",
        most: at(({ rss }) => rss, false) * 1.25 + 10,
      },
      { what: "descriptors under load, second quarter", value: at(({ files }) => files, false), unit: "" },
      { what: "descriptors under load, last quarter", value: at(({ files }) => files, true), unit: "" },
      {
        what: "descriptors above those before, after the load",
        value: house.openFiles() - before.files,
        unit: "",
        most: 40,
      },
      {
        what: "CLOSE-WAIT under load, most",
        value: Math.max(0, ...samples.map(({ waits }) => waits)),
        unit: "",
      },
      { what: "CLOSE-WAIT after the load", value: closeWaits(house.ten.port), unit: "", most: 0 },
    ];
  },
};
