// Visitors of one name by https while its certificate is replaced: wrk on connections that stay and on one for each request, and an open WebSocket.
import { writeFileSync } from "node:fs";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";

export interface Visits {
  readonly requests: number;
  /** Requests that wrk did not get a 2xx for, and connections that it could not use. */
  readonly failed: number;
  readonly echoes: number;
  readonly sent: number;
  /** Ends of the WebSocket that nobody asked for. */
  readonly cut: number;
}

const SECONDS = 12;

/** wrk, and what gives it a host table in which a name is here: it has no other way to name a host in the handshake. */
export const missing = ["wrk", "unshare"].filter((program) => Bun.which(program) === null);

/** `replace` is done again and again as long as visitors come; `turn` counts from 0. */
export async function visitDuring(
  port: number,
  name: string,
  ca: string,
  replace: (turn: number) => Promise<unknown>,
): Promise<Visits> {
  using temp = createTempDir();
  writeFileSync(temp.file("hosts"), `127.0.0.1 localhost ${name}\n`);
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
  const loads = Promise.all([
    wrk(port, name, temp.file("hosts")),
    wrk(port, name, temp.file("hosts"), "Connection: close"),
  ]);
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
  const sum = (of: (one: { requests: number; failed: number }) => number) =>
    results.reduce((all, one) => all + of(one), 0);
  return {
    requests: sum(({ requests }) => requests),
    failed: sum(({ failed }) => failed),
    echoes,
    sent,
    cut,
  };
}

async function wrk(port: number, name: string, hosts: string, ...fields: string[]) {
  const child = Bun.spawn(
    [
      "unshare",
      "-rm",
      "sh",
      "-c",
      'mount --bind "$0" /etc/hosts && exec "$@"',
      hosts,
      "wrk",
      "-t1",
      "-c8",
      `-d${SECONDS}s`,
      "--timeout=30s",
      ...fields.map((field) => `--header=${field}`),
      `https://${name}:${port}/`,
    ],
    { stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  );
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const requests = Number(/^ +(\d+) requests in /m.exec(stdout)?.[1] ?? Number.NaN);
  if (Number.isNaN(requests)) throw new Error(`wrk could not visit ${name}: ${stderr}${stdout}`);
  const [, ...errors] = /connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout) ?? [];
  const [, refused = "0"] = /Non-2xx or 3xx responses: (\d+)/.exec(stdout) ?? [];
  return { requests, failed: [...errors, refused].reduce((sum, one) => sum + Number(one), 0) };
}
