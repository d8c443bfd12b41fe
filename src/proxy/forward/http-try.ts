// One try of one request: its bytes to a target, and the bytes of the answer to the visitor as they come, without a copy of either as strings.

import { messageOf } from "../../core/fault.ts";
import { type AnswerHead, endOfAnswerHead, readAnswerHead } from "../../core/http1/answer-head.ts";
import { CR, LF, Malformed } from "../../core/http1/bytes.ts";
import type { Target } from "../../core/route.ts";
import { type FailureKind, UpstreamFailure } from "../http-client.ts";
import type { Connection, Occupant } from "../upstream/connection.ts";
import { giveBack } from "../upstream/give-back.ts";
import type { Pool } from "../upstream/pool.ts";
import { AnswerBody } from "./answer-body.ts";
import { connectTimeoutMs } from "./connect-deadline.ts";
import type { Load } from "./in-flight.ts";
import { CONTINUE_MS, InterimAnswers } from "./interim.ts";
import type { Attempt, RequestState } from "./request-state.ts";
import { isIdempotent } from "./retry.ts";
import { SweptDeadline } from "./swept-deadline.ts";
import { blame, openTunnel, type TryContext, type TryOwner } from "./tries.ts";

const MOST_HEAD_BYTES = 262_144;
const MOST_ANSWER_FIELDS = 512;

/** While no descriptor is free here, this much later at the latest one is tried for again. */
const SHORTAGE_MS = 1_000;

/** How far the answer is. */
const HEAD = 0;
const PASSING = 1;
const OVER = 2;

export class HttpTry implements Occupant, Attempt {
  readonly repeatable: boolean;
  needsFresh = false;
  readonly #context: TryContext;
  readonly #owner: TryOwner;
  readonly #visit: RequestState;
  readonly #target: Target;
  readonly #load: Load;
  readonly #beganMs: number;
  #pool: Pool | undefined;
  #connection: Connection | undefined;
  #state = HEAD;
  readonly #deadline = new SweptDeadline();
  #requestSent = false;
  /** The kernel has taken the last byte of the request. */
  #requestDone = false;
  #answerBegun = false;
  #isSlow = false;
  #partial: Buffer | undefined;
  #interim: InterimAnswers | undefined;
  readonly #body = new AnswerBody();
  #isEventStream = false;
  #cancelTimer: (() => void) | undefined;

  constructor(context: TryContext, owner: TryOwner, visit: RequestState, target: Target, load: Load) {
    this.#context = context;
    this.#owner = owner;
    this.#visit = visit;
    this.#target = target;
    this.#load = load;
    this.#beganMs = context.clock.monotonic();
    this.repeatable = visit.body.isSmall && isIdempotent(visit.method);
    visit.attempt = this;
    visit.access?.begin(this.#beganMs);
  }

  /**
   * Begins the load at once, and ends it when the last byte has been read from the target or the try has failed. A small
   * body is taken whole first, so that no slow visitor holds a place at the target.
   */
  start(): void {
    const { body, expectsContinue } = this.#visit;
    this.#load.begin(this.#visit.isCheck);
    body.rewind();
    if (body.isTooLarge) this.fail("aborted", "the body is larger than the route allows");
    else if (body.isComplete || expectsContinue || !body.isSmall) this.#submit();
    else this.#collect();
  }

  #collect(): void {
    const { streamIdleTimeoutMs } = this.#visit.route.policy;
    if (streamIdleTimeoutMs <= 0) return;
    this.#cancelTimer = this.#context.clock.after(streamIdleTimeoutMs, () => this.onBodyLate());
  }

  #submit(): void {
    this.#deadline.arm(connectTimeoutMs(this.#target.address));
    this.#pool = this.#context.upstream.poolOf(this.#target.address);
    this.#pool.submit(this);
  }

  awaits(connection: Connection | undefined): void {
    this.#connection = connection;
    // Descriptors are short here: it goes on trying, but no longer than for an answer.
    const mostMs = this.#visit.route.policy.requestTimeoutMs || Number.POSITIVE_INFINITY;
    if (connection === undefined && this.#headMs < mostMs) this.#deadline.arm(SHORTAGE_MS);
  }

  begin(connection: Connection): boolean {
    const visit = this.#visit;
    const { scratch } = this.#context;
    const { body } = visit;
    this.#connection = connection;
    let out = visit.head.write(scratch, 0);
    out += scratch.latin1Write(visit.added, out);
    if (!body.isEmpty) out = body.append(scratch, out);
    if (!connection.write(scratch, 0, out)) {
      body.rewind();
      return false;
    }
    this.#requestSent = true;
    if (!body.isEmpty) this.#sendBody(connection);
    else this.#sent(connection);
    return true;
  }

  #sendBody(connection: Connection): void {
    const { body, expectsContinue, client } = this.#visit;
    body.send(connection);
    this.#sent(connection);
    if (expectsContinue && !body.hasBegun) this.#askLater();
    if (!connection.flushed) client.holdBody();
    else if (!body.isComplete) client.resumeBody();
  }

  /** Everything that has come has been written. */
  #sent(connection: Connection): void {
    if (this.#visit.body.isComplete && connection.flushed) this.#requestWritten();
    else this.#deadline.arm(this.#visit.route.policy.streamIdleTimeoutMs);
  }

  #askLater(): void {
    this.#cancelTimer = this.#context.clock.after(CONTINUE_MS, () => {
      if (this.#state !== HEAD) return;
      this.#interim ??= new InterimAnswers();
      this.#interim.askFor(this.#visit);
    });
  }

  #requestWritten(): void {
    if (this.#requestDone) return;
    this.#requestDone = true;
    if (this.#state === HEAD) this.#deadline.arm(this.#visit.route.policy.requestTimeoutMs);
  }

  onFlushed(): void {
    if (this.#requestDone || this.#connection === undefined) return;
    if (this.#visit.body.isComplete) this.#requestWritten();
    else {
      this.#deadline.arm(this.#visit.route.policy.streamIdleTimeoutMs);
      this.#visit.client.resumeBody();
    }
  }

  onBody(): void {
    const { body } = this.#visit;
    if (this.#state === OVER) return;
    if (body.isTooLarge) {
      this.fail("aborted", "the body is larger than the route allows");
    } else if (this.#pool === undefined) {
      if (!body.isComplete) return;
      this.#cancelTimer?.();
      this.#submit();
    } else if (this.#connection !== undefined && this.#requestSent) this.#sendBody(this.#connection);
  }

  visitorDrained(): void {
    this.#connection?.resume();
    if (this.#state === PASSING) this.#armForBody();
  }

  onBodyLate(): void {
    // As if it had been sent, for it must not be tried again.
    this.#requestSent = true;
    this.fail("body_timeout", "the visitor sends its body too slowly");
  }

  abort(): void {
    this.fail("aborted", "the visitor has left");
  }

  get heldBytes(): number {
    return (this.#connection?.unwrittenBytes ?? 0) + (this.#partial?.length ?? 0);
  }

  get #headMs(): number {
    return this.#context.clock.monotonic() - this.#beganMs;
  }

  get hasBegun(): boolean {
    return this.#state === PASSING;
  }

  get isEndless(): boolean {
    return this.#isEventStream && this.hasBegun;
  }

  onData(bytes: Buffer): void {
    if (this.#connection === undefined || this.#state === OVER) return;
    try {
      if (this.#state === HEAD) this.#readHead(bytes);
      else this.#passBody(bytes);
    } catch (thrown) {
      if (!(thrown instanceof Malformed)) throw thrown;
      this.#context.onGarbage?.(this.#load.id, messageOf(thrown));
      this.fail("garbage", messageOf(thrown));
    }
  }

  #readHead(more: Buffer): void {
    const isFirst = !this.#answerBegun;
    this.#answerBegun = true;
    let bytes = this.#partial === undefined ? more : Buffer.concat([this.#partial, more]);
    let from = this.#partial === undefined ? 0 : Math.max(0, this.#partial.length - 3);
    this.#partial = undefined;
    for (;;) {
      const end = endOfAnswerHead(bytes, from);
      if (end > MOST_HEAD_BYTES || (end < 0 && bytes.length >= MOST_HEAD_BYTES))
        throw new Malformed(`the head of the answer is longer than ${MOST_HEAD_BYTES} bytes`);
      if (end < 0) {
        this.#partial = bytes;
        // The whole head has as long again as its first byte had.
        if (isFirst && this.#requestDone) this.#deadline.arm(this.#visit.route.policy.requestTimeoutMs);
        return;
      }
      const { answer, rules } = this.#context;
      readAnswerHead(answer, bytes, end, MOST_ANSWER_FIELDS, rules);
      if (answer.status === 101) {
        this.#switch(answer, bytes, end);
        return;
      }
      if (answer.status >= 200) {
        this.#answer(answer, bytes, end);
        return;
      }
      this.#interim ??= new InterimAnswers();
      this.#interim.pass(this.#visit, answer, this.#context.scratch);
      bytes = bytes.subarray(end);
      from = 0;
      if (bytes.length === 0) return;
    }
  }

  #switch(answer: AnswerHead, bytes: Buffer, end: number): void {
    const { visit, context } = { visit: this.#visit, context: this.#context };
    const connection = this.#connection as Connection;
    if (!visit.asksUpgrade) throw new Malformed("the target switched protocols without being asked");
    const fate = this.#owner.onAnswer(visit, this.#target, this.#load, answer, this.#headMs);
    if (fate !== "pass") {
      this.#drop(undefined);
      return;
    }
    const { scratch } = context;
    let out = this.#owner.writeHead(visit, this.#target, this.#load, answer, true, scratch);
    out += scratch.latin1Write("Connection: Upgrade\r\n\r\n", out);
    this.#end();
    visit.access?.bodyFrom(visit.client.sentBytes + out);
    visit.client.write(scratch, 0, out, false);
    const tunnel = openTunnel(context, visit, connection, this.#pool as Pool, this.#load);
    if (end < bytes.length) tunnel.onData(bytes.subarray(end));
  }

  #answer(answer: AnswerHead, bytes: Buffer, end: number): void {
    const { visit, body } = { visit: this.#visit, body: this.#body };
    const { head, client } = visit;
    body.begin(answer, head, this.#context.rules);
    this.#isEventStream = answer.isEventStream;
    const fate = this.#owner.onAnswer(visit, this.#target, this.#load, answer, this.#headMs);
    if (fate === "drop") {
      this.#drop(undefined);
      return;
    }
    const { scratch } = this.#context;
    let out = this.#owner.writeHead(visit, this.#target, this.#load, answer, this.#body.isUnpacked, scratch);
    const line = client.connectionLine(body.endsWithClose);
    if (line !== "") out += scratch.latin1Write(line, out);
    scratch[out++] = CR;
    scratch[out++] = LF;
    visit.access?.bodyFrom(client.sentBytes + out);
    if (fate === "keep") {
      this.#drop(body.wholeAfter(scratch.subarray(0, out), bytes, end));
      return;
    }
    if (body.isUnpacked) {
      this.#state = PASSING;
      client.write(scratch, 0, out, false);
      this.#passBody(bytes.subarray(end));
      return;
    }
    const to = body.take(bytes, end);
    this.#state = PASSING;
    // Head and body in one write where they fit together.
    if (to - end <= scratch.length - out) {
      bytes.copy(scratch, out, end, to);
      if (!client.write(scratch, 0, out + to - end, false)) this.#connection?.pause();
      giveBack(bytes);
    } else {
      client.write(scratch, 0, out, false);
      this.#write(bytes, end, to);
    }
    this.#passed();
  }

  #passBody(bytes: Buffer): void {
    if (this.#body.isUnpacked) this.#passUnchunked(bytes);
    else {
      const to = this.#body.take(bytes, 0);
      this.#write(bytes, 0, to);
    }
    this.#passed();
  }

  #passed(): void {
    const { isWhole, tail } = this.#body;
    if (tail !== undefined) this.#visit.client.write(tail, 0, tail.length, false);
    if (isWhole) this.#finish();
    else this.#armForBody();
  }

  #write(bytes: Buffer, from: number, to: number): void {
    if (from === to) return;
    const isTaken = this.#visit.client.write(bytes, from, to, true);
    if (isTaken) giveBack(bytes);
    else this.#connection?.pause();
  }

  #passUnchunked(bytes: Buffer): void {
    const { client } = this.#visit;
    let isTaken = true;
    this.#body.take(bytes, 0, (start, stop) => {
      isTaken = client.write(bytes, start, stop, true) && isTaken;
    });
    if (!isTaken) this.#connection?.pause();
  }

  #drop(kept: Buffer | undefined): void {
    const visit = this.#visit;
    const connection = this.#connection;
    this.#end();
    if (connection !== undefined) this.#pool?.leave(this, connection, true);
    this.#load.end(this.#visit.isCheck);
    this.#owner.onDropped(visit, kept);
  }

  #finish(): void {
    const connection = this.#connection as Connection;
    const isReusable =
      this.#requestDone && this.#body.isPersistent && !this.#body.hasSurplus && connection.state === "open";
    this.#end();
    if (isReusable) this.#pool?.release(connection, this.#body.keepAliveMs);
    else this.#pool?.leave(this, connection, false);
    this.#load.end(this.#visit.isCheck);
    this.#owner.onDelivered?.(this.#visit);
    this.#visit.client.finish();
  }

  #end(): void {
    this.#state = OVER;
    this.#connection = undefined;
    this.#partial = undefined;
    this.#cancelTimer?.();
    if (this.#visit.attempt === this) this.#visit.attempt = undefined;
  }

  onClosed(error: Error | undefined): void {
    if (this.#state === PASSING && this.#body.framing === "close" && error === undefined) {
      this.#finish();
      return;
    }
    if (this.#mayRepeat()) {
      this.#repeat();
      return;
    }
    const how = error === undefined ? "closed" : "reset";
    const when = this.#answerBegun ? "in the middle of its answer" : "before it answered";
    this.fail("reset", `the target ${how} the connection ${when}`);
  }

  /** A used connection that closes instead of answering says nothing against its target: once more, over a fresh one. */
  #mayRepeat(): boolean {
    const { body, method } = this.#visit;
    return (
      (this.#connection?.served ?? 0) > 0 &&
      !this.#answerBegun &&
      !this.needsFresh &&
      body.state === "held" &&
      isIdempotent(method)
    );
  }

  #repeat(): void {
    const connection = this.#connection as Connection;
    this.#connection = undefined;
    this.#requestSent = this.#requestDone = false;
    this.needsFresh = true;
    this.#visit.body.rewind();
    this.#pool?.leave(this, connection, true);
    this.#deadline.arm(connectTimeoutMs(this.#target.address));
    this.#pool?.submit(this);
  }

  expireAt(nowMs: number): void {
    if (!this.#isSlow) {
      this.#isSlow = true;
      if (this.#state === HEAD) this.#slow();
    }
    if (!this.#deadline.hasPassed(nowMs) || this.#state === OVER) return;
    if (this.#connection === undefined) this.fail("busy", "no connection to the target became free in time");
    else if (this.#connection.state === "connecting")
      this.fail("connect_timeout", "the target did not accept in time");
    else if (this.#requestDone && this.#state === HEAD)
      this.fail("request_timeout", "the target did not answer in time");
    else if (!this.#visit.body.isComplete && this.#connection.flushed)
      this.fail("body_timeout", "the visitor has not sent its body in time");
    else this.fail("stream_timeout", "no byte of a body has moved for too long");
  }

  /** It waits for longer than most: from now on it is looked at. */
  #slow(): void {
    const { body, wantsEvents } = this.#visit;
    // A stream of events may have nothing to say for long.
    if (body.isComplete && !wantsEvents) this.#load.unanswered.begin(this.#visit, this.#beganMs);
    this.#owner.onSlow?.(this.#visit);
  }

  fail(kind: FailureKind, message: string): void {
    if (this.#state === OVER) return;
    const connection = this.#connection;
    const visit = this.#visit;
    const reused = this.#requestSent && (connection?.served ?? 0) > 0;
    const failure = new UpstreamFailure(kind, message, this.#requestSent, this.#answerBegun, reused);
    const hasPassed = this.#state === PASSING;
    this.#end();
    this.#pool?.leave(this, connection, true);
    blame(this.#load, visit.attempts === 1 ? visit.trial : undefined, failure, this.#context.hooks);
    this.#load.end(this.#visit.isCheck);
    if (hasPassed) visit.client.cut(visit);
    else this.#owner.onFailure(visit, this.#target, this.#load, failure);
  }

  #armForBody(): void {
    const { streamIdleTimeoutMs } = this.#visit.route.policy;
    this.#deadline.arm(this.#requestDone && this.#isEventStream ? 0 : streamIdleTimeoutMs);
  }
}
