// One health check: one fresh connection, one request or none, one verdict in words; bounded in time and in bytes.

import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { messageOf } from "../../core/fault.ts";
import {
  AnswerHead,
  endOfAnswerHead,
  NO_ANSWER_RULES,
  readAnswerHead,
} from "../../core/http1/answer-head.ts";
import { Malformed } from "../../core/http1/bytes.ts";
import { isOutOfDescriptors } from "../process/spare-descriptors.ts";
import type { Clock } from "../time/clock.ts";

export interface CheckTarget {
  readonly host: string;
  readonly port: number;
  /** Absent: a connection is all that is asked for. */
  readonly http?: { readonly path: string; readonly hostHeader: string };
  /** `serverName` is sent and verified, the host itself when it is empty; `ca` replaces the system's roots. */
  readonly tls?: { readonly serverName: string; readonly ca?: string };
}

export interface CheckOptions {
  readonly clock: Clock;
  /** For everything, resolving and connecting included. */
  readonly timeoutMs: number;
  /** A shorter time for everything, which holds if it is wanted when it is over. */
  readonly hurry?: { readonly timeoutMs: number; readonly isWanted: () => boolean };
  /** Which statuses are well; by default 200 to 399. Redirects are not followed. */
  readonly passes?: (status: number) => boolean;
  /** Whether the listener that answered is the one meant; asked only when all else is well, and only `false` fails the check. */
  readonly isOwn?: () => boolean | undefined;
  readonly signal?: AbortSignal;
}

export interface CheckResult {
  readonly ok: boolean;
  /** Until the verdict. */
  readonly latencyMs: number;
  /** `status 503`, `connection refused`, `timed out after 2 s, connecting`... */
  readonly detail: string;
  /** The check could not be made, for want of a descriptor here or because it was cancelled: it says nothing about the target. */
  readonly inconclusive?: true;
  /** Nothing listens there: the target was not asked anything, and noticed nothing. */
  readonly absent?: true;
}

const READ_MAX_BYTES = 64 * 1024;

/** What is wrong with a target, or with us. */
type Failure = readonly [detail: string, more?: Pick<CheckResult, "inconclusive" | "absent">];

const isWell = (status: number) => status >= 200 && status < 400;

/** Never rejects, and has let go of its socket at the latest when `timeoutMs` is over. */
export function checkHealth(target: CheckTarget, options: CheckOptions): Promise<CheckResult> {
  const { clock, timeoutMs, hurry, passes = isWell, isOwn, signal } = options;
  const startedAt = clock.monotonic();
  const { promise, resolve } = Promise.withResolvers<CheckResult>();
  let socket: Socket | undefined;
  let phase: "connecting" | "waiting" | "decided" = "connecting";
  let head = "";
  let readBytes = 0;

  function decide(ok: boolean, ...[detail, more]: Failure): void {
    phase = "decided";
    resolve({ ok, latencyMs: clock.monotonic() - startedAt, detail, ...more });
  }

  function close(): void {
    for (const stop of stopTimers) stop();
    signal?.removeEventListener("abort", cancel);
    socket?.destroy();
  }

  function fail(...failure: Failure): void {
    if (phase !== "decided") decide(false, ...failure);
    close();
  }

  function pass(detail: string): void {
    if (isOwn?.() === false) fail("answered by a process that is not the instance");
    else decide(true, detail);
  }

  /** What is healthy must be what visitors can be given: the proxy's own reader has to take the whole head. */
  function passWhenReadable(status: number): void {
    const objection = objectionTo(head);
    if (objection === undefined) pass(`status ${status}`);
    else if (objection !== "unfinished") fail(`an answer that is no valid HTTP: ${objection}`);
  }

  function onConnect(): void {
    phase = "waiting";
    if (socket && isSelf(socket)) {
      // Reset, as the TIME_WAIT of an orderly end would keep the port from the app.
      socket.resetAndDestroy();
      fail("connected to itself");
    } else if (target.http) {
      socket?.write(requestText(target.http));
    } else {
      pass("connected");
      close();
    }
  }

  /** After the verdict the rest is read and thrown away: hanging up on an app in mid-answer fills its log. */
  function onData(chunk: Uint8Array): void {
    readBytes += chunk.length;
    if (phase === "waiting") {
      head += Buffer.from(chunk).toString("latin1");
      const status = statusOf(head);
      if (status === "garbage") fail("not an HTTP answer");
      else if (status !== undefined && !passes(status)) decide(false, `status ${status}`);
      else if (status !== undefined) passWhenReadable(status);
    }
    if (readBytes >= READ_MAX_BYTES) fail("an answer whose head does not end");
  }

  const cancel = () => fail("cancelled", { inconclusive: true });
  const timeOut = (ms: number) => {
    const missing = phase === "connecting" ? "connecting" : "waiting for an answer";
    fail(`timed out after ${ms / 1000} s, ${missing}`);
  };
  const stopTimers = [clock.after(timeoutMs, () => timeOut(timeoutMs))];
  if (hurry)
    stopTimers.push(clock.after(hurry.timeoutMs, () => hurry.isWanted() && timeOut(hurry.timeoutMs)));
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    if (signal?.aborted) cancel();
    else socket = open(target, onConnect);
    socket?.on("data", onData);
    socket?.on("error", (error) => fail(...explain(error)));
    socket?.on("close", () => fail("closed without an answer"));
  } catch (error) {
    fail(...explain(error));
  }
  return promise;
}

/** node:net, since destroying a socket that is still connecting closes it; Bun.connect would hold it for two minutes. */
function open({ host, port, tls }: CheckTarget, onConnect: () => void): Socket {
  if (!tls) return connectTcp({ host, port }, onConnect);
  const ca = tls.ca === undefined ? {} : { ca: tls.ca };
  return connectTls({ host, port, servername: tls.serverName, ...ca, rejectUnauthorized: true }, onConnect);
}

function isSelf(socket: Socket): boolean {
  return socket.localPort === socket.remotePort && socket.localAddress === socket.remoteAddress;
}

function requestText({ path, hostHeader }: { readonly path: string; readonly hostHeader: string }): string {
  const fields = [`Host: ${plain(hostHeader)}`, "User-Agent: ten-health", "Accept: */*", "Connection: close"];
  return `GET ${plain(path)} HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n`;
}

/** Nothing in a configured path can end the line that it stands in. */
function plain(text: string): string {
  return text.replace(/[^\x21-\x7e]/gu, (character) => encodeURIComponent(character));
}

/** The status of the answer once it is there. Interim answers (1xx, RFC 9110 section 15.2) are passed over. */
export function statusOf(head: string): number | "garbage" | undefined {
  const start = head.slice(0, 9);
  if (!/^HTTP\/1\.[01] /.test(start))
    return "HTTP/1.1 ".startsWith(start) || "HTTP/1.0 ".startsWith(start) ? undefined : "garbage";
  const lineEnd = head.indexOf("\n");
  if (lineEnd < 0) return undefined;
  const status = Number(/^HTTP\/1\.[01] ([1-9]\d\d)[ \r\n]/.exec(head)?.[1] ?? Number.NaN);
  if (Number.isNaN(status)) return "garbage";
  if (status >= 200) return status;
  const headEnd = head.indexOf("\r\n\r\n");
  return headEnd < 0 ? undefined : statusOf(head.slice(headEnd + 4));
}

const MOST_FIELDS = 512;

/** What speaks against the head of an answer; `unfinished` while it is not whole, undefined when it can be passed on. */
function objectionTo(text: string): string | undefined {
  let bytes = Buffer.from(text, "latin1");
  const head = new AnswerHead();
  try {
    for (;;) {
      const end = endOfAnswerHead(bytes, 0);
      if (end < 0) return "unfinished";
      readAnswerHead(head, bytes, end, MOST_FIELDS, NO_ANSWER_RULES);
      if (head.status >= 200) return undefined;
      bytes = bytes.subarray(end);
    }
  } catch (thrown) {
    if (thrown instanceof Malformed) return thrown.message;
    throw thrown;
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EPIPE: "connection reset",
  ETIMEDOUT: "timed out, connecting",
  ENOTFOUND: "name not found",
  EAI_AGAIN: "name not found",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the host",
};

/** Failures of this machine and this process, which would otherwise take every target down at once. */
const OURS: ReadonlySet<string> = new Set(["ENOBUFS", "ENOMEM", "EADDRNOTAVAIL"]);

function explain(error: unknown): Failure {
  const code = String((error as NodeJS.ErrnoException).code ?? "");
  const message = messageOf(error);
  if (isOutOfDescriptors()) return ["cannot check: no file descriptor left here", { inconclusive: true }];
  if (OURS.has(code)) return [`cannot check: ${code}`, { inconclusive: true }];
  const reason = REASONS[code];
  if (reason) return code === "ECONNREFUSED" ? [reason, { absent: true }] : [reason];
  if (/CERT|SIGN|ALTNAME|ISSUER/.test(code)) return [`TLS: certificate not trusted: ${message}`];
  if (message.includes("SSL routines"))
    return [`TLS: ${message.split(":").at(-1)?.toLowerCase().replaceAll("_", " ")}`];
  return [message === "" ? code : message];
}
