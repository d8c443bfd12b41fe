// One burst of requests from wrk, and what came of it.
import { join } from "node:path";
import type { Cell } from "./cell.ts";

export interface Burst {
  /** Answers; of large bodies also the parts of those that were under way at the end. */
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Connections that failed, broke off or timed out, and answers from 400 up. */
  readonly failed: number;
}

/** From this size on answers are counted by their bytes: too many are unfinished when the time is over. */
const LARGE_BYTES = 65_536;
const SCRIPT = join(import.meta.dir, "wrk.lua");

interface Summary {
  readonly requests: number;
  readonly bytes: number;
  readonly micros: number;
  readonly broken: number;
  readonly refused: number;
  readonly p50: number;
  readonly p99: number;
}

/** What a browser sends besides the host, when it asks for a part of a page. */
const BROWSER = [
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Language: de-DE,de;q=0.9,en;q=0.8",
  "Cache-Control: max-age=0",
  "Cookie: session=3f6c1f0e9b2d4a7c8e5d; theme=dark; consent=yes",
  "Referer: https://www.example.com/articles/2026/11/",
  'Sec-CH-UA: "Chromium";v="126", "Not-A.Brand";v="8"',
  "Sec-Fetch-Mode: navigate",
  "Upgrade-Insecure-Requests: 1",
];

/** `host` is the Host header, the same for every proxy. */
export async function burst(port: number, host: string, cell: Cell, seconds: number): Promise<Burst> {
  const child = Bun.spawn(
    [
      "wrk",
      "-t1",
      `-c${cell.connections}`,
      `-d${seconds}s`,
      "--timeout=30s",
      `--script=${SCRIPT}`,
      `--header=Host: ${host}`,
      ...(cell.keepAlive ? [] : ["--header=Connection: close"]),
      ...(cell.isBrowser ? BROWSER.map((field) => `--header=${field}`) : []),
      `${cell.isTls ? "https" : "http"}://127.0.0.1:${port}${cell.path}`,
      ...(cell.postBytes === undefined ? [] : ["--", "POST", String(cell.postBytes)]),
      ...(cell.hosts === undefined ? [] : ["--", "HOSTS", String(cell.hosts)]),
    ],
    { stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  );
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const line = stdout.split("\n").find((one) => one.startsWith("{"));
  if (line === undefined) throw new Error(`wrk said nothing about ${cell.name}: ${stderr}${stdout}`);
  return read(JSON.parse(line) as Summary, cell);
}

function read(summary: Summary, cell: Cell): Burst {
  const requests = cell.bodyBytes < LARGE_BYTES ? summary.requests : summary.bytes / cell.bodyBytes;
  return {
    requests,
    perSecond: (requests / summary.micros) * 1e6,
    p50Ms: summary.p50 / 1_000,
    p99Ms: summary.p99 / 1_000,
    failed: summary.broken + summary.refused,
  };
}
