// Visitors of one name by https while its certificate is replaced: wrk on connections that stay and on one for each request, and an open WebSocket.
import { join } from "node:path";
import { until } from "../support/until.ts";

export interface Visits {
  readonly requests: number;
  /** Connections of wrk that were refused, cut, or silent for 30 s. */
  readonly broken: number;
  /** Answers to wrk from 400 up. */
  readonly refused: number;
  readonly echoes: number;
  readonly sent: number;
  /** Ends of the WebSocket that nobody asked for. */
  readonly cut: number;
}

const SECONDS = 12;
const SCRIPT = join(import.meta.dir, "wrk.lua");

export const missing = ["wrk"].filter((program) => Bun.which(program) === null);

/** `replace` is done again and again as long as visitors come; `turn` counts from 0. */
export async function visitDuring(
  port: number,
  name: string,
  ca: string,
  replace: (turn: number) => Promise<unknown>,
): Promise<Visits> {
  let [echoes, sent, cut, isOver] = [0, 0, 0, false];
  const socket = new WebSocket(`wss://127.0.0.1:${port}/`, {
    headers: { Host: name },
    tls: { ca, serverName: name, rejectUnauthorized: false },
  } as never);
  socket.onclose = () => {
    if (!isOver) cut += 1;
  };
  socket.onmessage = () => {
    echoes += 1;
  };
  await new Promise((opened) => {
    socket.onopen = opened;
  });
  const loads = Promise.all([wrk(port, name), wrk(port, name, "Connection: close")]);
  void loads.finally(() => {
    isOver = true;
  });
  for (let turn = 0; !isOver; turn += 1) {
    socket.send(String(turn));
    sent += 1;
    await replace(turn);
  }
  isOver = false;
  await until("all echoes are there", () => echoes === sent || cut > 0);
  isOver = true;
  socket.close();
  const results = await loads;
  const sum = (of: (one: Summary) => number) => results.reduce((all, one) => all + of(one), 0);
  return {
    requests: sum(({ requests }) => requests),
    broken: sum(({ broken }) => broken),
    refused: sum(({ refused }) => refused),
    echoes,
    sent,
    cut,
  };
}

type Summary = Pick<Visits, "requests" | "broken" | "refused">;

async function wrk(port: number, name: string, ...fields: string[]): Promise<Summary> {
  const words = ["wrk", "-t1", "-c8", `-d${SECONDS}s`, "--timeout=30s", `--script=${SCRIPT}`];
  const child = Bun.spawn(
    [...words, ...fields.map((field) => `--header=${field}`), `https://${name}:${port}/`],
    {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const line = stdout.split("\n").find((one) => one.startsWith("{"));
  if (line === undefined) throw new Error(`wrk could not visit ${name}: ${stderr}${stdout}`);
  return JSON.parse(line) as Summary;
}
