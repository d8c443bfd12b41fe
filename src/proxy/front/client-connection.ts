// One visitor's connection: its requests one after the other, however their bytes arrive, and its end in good order.
import type { Socket } from "bun";
import { bracketed } from "../../core/host.ts";
import { endOfHead, Malformed, TOKEN } from "../../core/http1/bytes.ts";
import {
  emptyLinesAt,
  MOST_HEAD_BYTES,
  type RequestHead,
  readRequestHead,
} from "../../core/http1/request-head.ts";
import { type AnswerName, type OwnAnswer, ownAnswer, refusalOf } from "../answers.ts";
import type { Client, VisitorTunnel } from "../forward/client.ts";
import { RequestBody } from "../forward/request-body.ts";
import type { RequestState } from "../forward/request-state.ts";
import { LARGE_BYTES } from "../upstream/give-back.ts";
import type { Accepted, Front } from "./front.ts";
import { type ClientShare, type Counted, plain } from "./gate.ts";
import { Outlet } from "./outlet.ts";
import { bytesOf } from "./own-answer.ts";
import {
  FRESH_SECS,
  HALF_OPEN_SECS,
  HEAD_SECS,
  IDLE_SECS,
  LINGER_SECS,
  SendingPace,
  TakingPace,
} from "./pace.ts";

/** So much of the rest of a request that nobody wants is read: a reset would take the answer with it. */
const LINGER_MOST_BYTES = 1_048_576;
/** Beyond this much that waits for its turn, or for a target, the visitor is not read. */
const WAITING_MOST_BYTES = 65_536;

export class ClientConnection implements Client {
  readonly peer: string;
  readonly peerTrusted: boolean;
  readonly visitor: string;
  readonly isTls: boolean;
  readonly serverName: string | undefined;
  readonly share: ClientShare | undefined;
  claims: string | undefined; // What is added to each of its requests while its peer's claims count for nothing: made once.
  lastHost = ""; // The Host of the request before.
  isGone = false;
  sentBytes = 0;
  readonly #front: Front<ClientConnection>;
  readonly #socket: Socket<ClientConnection>;
  /** What has come and is not taken yet: a part of a head, or the requests behind the one that is being answered. */
  #input: Buffer | undefined;
  /** How much of it has been searched for the end of a head. */
  #searched = 0;
  #head: RequestHead | undefined;
  #body: RequestBody | undefined;
  #visit: RequestState | undefined;
  #tunnel: VisitorTunnel | undefined;
  #upgraded: RequestState | undefined; // Who asked for the tunnel, if the access log tells of it.
  readonly #outlet: Outlet;
  #isPaused = false;
  /** The visitor sends nothing more. */
  #hasEnded = false;
  /** The connection ends with this answer. */
  #endsAfter = false;
  /** The last answer has been written. */
  #isFinishing = false;
  #isLingering = false;
  /** The visitor has said that his request is the last, and there was nothing behind it. */
  #hasSaidLast = false;
  #hasServed = false;
  #lingeredBytes = 0;
  /** Whose request is counted while it is under way, and as what. */
  #counted: ClientShare | undefined;
  #countedAs: Counted = "requests";
  #isProceeding = false;
  #isAskedAgain = false;
  /** When something last moved, and when what is waited for began: ticks. */
  movedAt: number;
  #begunAt: number;
  readonly #sending = new SendingPace();
  readonly #taking = new TakingPace();

  constructor(front: Front<ClientConnection>, socket: Socket<ClientConnection>, accepted: Accepted) {
    this.#front = front;
    this.#socket = socket;
    this.#outlet = new Outlet(socket);
    this.peer = accepted.peer;
    this.peerTrusted = accepted.peerTrusted;
    this.visitor = accepted.visitor;
    this.isTls = accepted.isTls;
    this.serverName = accepted.serverName;
    this.share = accepted.share;
    this.movedAt = this.#begunAt = front.tick;
  }

  /** Our end of it, as a Host, for those who do not say whom they ask; the kernel is asked for it only then. */
  get localHost(): string {
    return bracketed(plain(this.#socket.localAddress ?? "127.0.0.1"));
  }

  /** Whether somebody would miss something if it were closed now. */
  get isBusy(): boolean {
    return this.#head !== undefined || this.#tunnel !== undefined || !this.#outlet.isFlushed;
  }

  /** Bytes of strangers that it holds. */
  get heldBytes(): number {
    const waiting = (this.#input?.length ?? 0) + this.#outlet.heldBytes + (this.#body?.heldBytes ?? 0);
    return waiting + ((this.#tunnel ?? this.#visit?.attempt)?.heldBytes ?? 0);
  }

  /** Counts the request that is under way as one of its peer's, or of who is named; false: that has too many. */
  countAs(what: Counted, named?: string): boolean {
    const share = named === undefined ? this.share : this.#front.shareOf(named);
    if (share === undefined) return true;
    if (!this.#front.enter(share, what)) return false;
    this.#counted = share;
    this.#countedAs = what;
    return true;
  }

  #uncount(): void {
    if (this.#counted !== undefined) this.#front.leave(this.#counted, this.#countedAs);
    this.#counted = undefined;
  }

  data(bytes: Buffer): void {
    this.movedAt = this.#front.tick;
    if (this.#tunnel !== undefined) this.#tunnel.fromVisitor(bytes);
    else if (this.#isLingering) this.#throwAway(bytes.length);
    else {
      this.#input = this.#input === undefined ? bytes : Buffer.concat([this.#input, bytes]);
      this.#proceed();
    }
  }

  /** The kernel takes more. */
  drained(): void {
    if (this.#outlet.isFlushed) return;
    if (this.#outlet.flush() > 0) this.movedAt = this.#front.tick;
    if (!this.#outlet.isFlushed) return;
    (this.#tunnel ?? this.#visit?.attempt)?.visitorDrained();
    this.#proceed();
  }

  /** The visitor has ended his half. Who has asked for something whole still gets it (`nc -N`). */
  ended(): void {
    this.#hasEnded = true;
    if (this.#tunnel !== undefined) this.#tunnel.visitorEnded();
    else if (this.#isLingering) this.#socket.end();
    else if (this.#isGivenUp()) this.cut(undefined, "client_left");
    else this.#proceed();
  }

  /** Half a request, or a stream of events: who ends his half of these has left. */
  #isGivenUp(): boolean {
    const isHalf = this.#body?.isComplete === false && this.#input === undefined;
    return this.#visit?.attempt?.isEndless === true || (this.#head !== undefined && isHalf);
  }

  closed(isReset: boolean): void {
    if (this.isGone) return;
    this.isGone = true;
    this.#uncount();
    this.#front.gone(this);
    this.#tunnel?.visitorClosed(isReset);
    this.#upgraded?.ended(this.sentBytes);
    this.#visit?.left(this.sentBytes);
    this.#outlet.drop();
    this.#input = this.#visit = this.#tunnel = this.#upgraded = undefined;
  }

  /** Called once a second. */
  sweep(tick: number): void {
    const silentSecs = tick - this.movedAt;
    if (this.#tunnel !== undefined) return;
    if (this.#isLingering) {
      if (tick - this.#begunAt > LINGER_SECS) this.release();
    } else if (this.#taking.isTooSlow(this.#outlet, this.#front.minReadRate)) {
      this.#front.onSlowReader(this);
      this.cut(undefined, "slow_reader");
    } else if (!this.#outlet.isFlushed && this.#visit === undefined) {
      if (silentSecs > IDLE_SECS) this.cut();
    } else if (this.#head !== undefined) {
      // Only a write would show that nobody is there any more to read an answer that does not come.
      if (this.#hasEnded && silentSecs > HALF_OPEN_SECS) this.cut(undefined, "client_left");
      else this.#sweepBody();
    } else if (this.#input !== undefined) {
      if (tick - this.#begunAt > HEAD_SECS) this.#refuse("late_head");
    } else if (silentSecs > IDLE_SECS) this.cut();
  }

  /** A body at least as fast as it must be, once it has had a while; what the target does not take is not its visitor's fault. */
  #sweepBody(): void {
    if (this.#body?.isComplete !== false || this.#isPaused) return;
    if (!this.#sending.isTooSlow(this.#front.minBodyRate)) return;
    const visit = this.#visit;
    if (visit?.attempt === undefined) this.#refuse("late_body");
    else visit.attempt.onBodyLate();
  }

  /** Just accepted: its first request is on its way, and a client sends it nowhere else when it is lost. */
  get isFresh(): boolean {
    return !this.#hasServed && !this.#isLingering && this.#front.tick - this.#begunAt <= FRESH_SECS;
  }

  /** Closes it when nobody would miss it. */
  closeIdle(): void {
    if (this.isIdle) this.#linger();
  }

  get isIdle(): boolean {
    return !this.isBusy && !this.isFresh && this.#input === undefined && !this.#isLingering;
  }

  /** What now: asked after everything that happens, so that nothing has to happen in one order only. */
  #proceed(): void {
    if (this.#isProceeding) {
      this.#isAskedAgain = true;
      return;
    }
    this.#isProceeding = true;
    do {
      this.#isAskedAgain = false;
      this.#step();
    } while (this.#isAskedAgain);
    this.#isProceeding = false;
  }

  #step(): void {
    if (this.isGone || this.#isLingering || this.#tunnel !== undefined) return;
    const input = this.#input;
    if (this.#head !== undefined) {
      if (input === undefined) return;
      if (this.#body?.isComplete === false) this.#feed(input);
      else if (input.length > WAITING_MOST_BYTES) this.holdBody();
      return;
    }
    if (!this.#outlet.isFlushed) {
      if (input !== undefined && input.length > WAITING_MOST_BYTES) this.holdBody();
      return;
    }
    if (this.#isFinishing) {
      this.#linger();
      return;
    }
    if (input !== undefined) this.#begin(input);
    else if (this.#hasEnded) this.#socket.end();
    else this.resumeBody();
  }

  /** The next request, once its head is whole. */
  #begin(input: Buffer): void {
    const skipped = emptyLinesAt(input);
    const bytes = skipped === 0 ? input : input.subarray(skipped);
    this.#input = bytes.length === 0 ? undefined : bytes;
    if (skipped > 0) this.#searched = 0;
    if (bytes.length === 0) {
      this.#isAskedAgain = true;
      return;
    }
    const end = endOfHead(bytes, this.#searched);
    if (end > MOST_HEAD_BYTES || (end < 0 && bytes.length > MOST_HEAD_BYTES)) {
      this.#refuse("long_head");
      return;
    }
    if (end < 0) {
      this.#awaitHead(bytes);
      return;
    }
    this.#searched = 0;
    this.#input = end === bytes.length ? undefined : bytes.subarray(end);
    // A head is needed for long: what is behind it may be given back first, and the memory of both with it.
    const isShared = bytes.length - end >= LARGE_BYTES;
    try {
      this.#open(isShared ? Buffer.from(bytes.subarray(0, end)) : bytes, end);
    } catch (thrown) {
      if (thrown instanceof Malformed) this.#refuse(refusalOf(thrown));
      else this.#fail(thrown);
    }
  }

  #awaitHead(bytes: Buffer): void {
    if (this.#searched === 0) this.#begunAt = this.#front.tick;
    this.#searched = Math.max(1, bytes.length - 3);
    // What no request begins with, as TLS: its end would never come. A lone CR may be half an empty line.
    if (TOKEN[bytes[0] as number] === 0 && !(bytes.length === 1 && bytes[0] === 13))
      this.#refuse("bad_request");
    else if (this.#hasEnded) this.#socket.end();
    else this.resumeBody();
  }

  #open(bytes: Buffer, end: number): void {
    const front = this.#front;
    const head = readRequestHead(bytes, end, front.rulesFor(this));
    this.#head = head;
    this.#endsAfter = head.isLast;
    this.#sending.begin();
    const visit = front.handle(this, head);
    if (visit === undefined || this.isGone) return;
    this.#visit = visit;
    this.#body = visit.body;
    if (this.#input !== undefined && !visit.body.isComplete) this.#take(visit.body, this.#input);
    visit.courier.forward(visit);
    this.#isAskedAgain = this.#input !== undefined || this.#head === undefined;
  }

  #feed(input: Buffer): void {
    const body = this.#body as RequestBody;
    try {
      this.#take(body, input);
    } catch (thrown) {
      if (thrown instanceof Malformed) this.#refuse(refusalOf(thrown));
      else this.#fail(thrown);
      return;
    }
    this.#visit?.attempt?.onBody();
    if (body.unsentBytes > WAITING_MOST_BYTES) this.holdBody();
    this.#isAskedAgain = this.#input !== undefined;
    // An end that came with the last bytes of a body that is not whole.
    if (this.#hasEnded && !body.isComplete && this.#input === undefined) this.cut(undefined, "client_left");
  }

  #take(body: RequestBody, input: Buffer): void {
    const end = body.take(input, 0);
    this.#sending.came(end);
    this.#input = end === input.length ? undefined : input.subarray(end);
  }

  /** Of what is no request, or stopped being one. */
  #refuse(name: AnswerName): void {
    this.#front.onRefused(name, this);
    const visit = this.#visit;
    this.#visit = undefined;
    if (visit?.attempt?.hasBegun !== true) {
      visit?.courier.refused?.(visit, name);
      visit?.left(this.sentBytes);
      this.answer(ownAnswer(name, undefined, undefined), "");
    } else this.cut();
  }

  #fail(thrown: unknown): void {
    this.#front.onDefect(thrown);
    this.#visit?.courier.refused?.(this.#visit, "internal");
    if (this.#head === undefined) this.cut();
    else this.answer(ownAnswer("internal", undefined, undefined), "");
  }

  write(bytes: Buffer, from: number, to: number, isOwned: boolean): boolean {
    if (this.isGone) return true;
    this.movedAt = this.#front.tick;
    this.sentBytes += to - from;
    return this.#outlet.write(bytes, from, to, isOwned);
  }

  connectionLine(endsWithClose: boolean): string {
    if (endsWithClose || this.#front.isClosing || this.#front.isCrowded) this.#endsAfter = true;
    if (this.#endsAfter) return "Connection: close\r\n";
    return this.#head?.minor === 0 ? "Connection: keep-alive\r\n" : "";
  }

  answer(answer: OwnAnswer, lines: string): void {
    const head = this.#head;
    this.#settleBody();
    if (answer.endsConnection || head === undefined || this.#body?.isComplete === false)
      this.#endsAfter = true;
    const bytes = bytesOf(answer, lines + this.connectionLine(false), head?.isHead === true);
    this.write(bytes, 0, bytes.length, true);
    this.finish();
  }

  /** A body that has come with its head, and is answered without it, is no reason to end the connection. */
  #settleBody(): void {
    if (this.#body !== undefined || this.#head === undefined) return;
    this.#body = new RequestBody(this.#head, 0);
    if (this.#input !== undefined && !this.#body.isComplete) {
      try {
        this.#take(this.#body, this.#input);
      } catch {
        this.#endsAfter = true;
      }
    }
  }

  finish(): void {
    const endsAfter = this.#endsAfter || this.#front.isClosing;
    (this.#visit ?? this.#upgraded)?.ended(this.sentBytes);
    if (endsAfter || this.#body?.isComplete === false || this.#tunnel !== undefined) this.#isFinishing = true;
    if (this.#head?.isLast === true && this.#tunnel === undefined && this.#body?.isEmpty !== false)
      this.#hasSaidLast = this.#input === undefined;
    this.#head = this.#body = this.#visit = this.#tunnel = this.#upgraded = undefined;
    this.#hasServed = true;
    this.#uncount();
    this.movedAt = this.#front.tick;
    this.#proceed();
  }

  cut(visit?: object, why = "broken_off"): void {
    if (this.isGone || (visit !== undefined && visit !== this.#visit)) return;
    (this.#visit ?? this.#upgraded)?.ended(this.sentBytes, why);
    this.#socket.terminate();
    this.closed(false);
  }

  /** Ends it whatever it is doing; what the kernel has taken still arrives where it was the last. */
  release(): void {
    if (this.isGone) return;
    if (this.isBusy) this.cut();
    else this.#socket.end();
  }

  holdBody(): void {
    if (this.#isPaused || this.isGone) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  resumeBody(): void {
    if (!this.#isPaused || this.isGone) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  enter(tunnel: VisitorTunnel): void {
    if (this.#visit?.access !== undefined) this.#upgraded = this.#visit;
    this.#visit = undefined;
    this.#tunnel = tunnel;
    this.resumeBody();
    const input = this.#input;
    this.#input = undefined;
    // What came behind the handshake is the other protocol's already.
    if (input !== undefined) tunnel.fromVisitor(input);
    if (this.#hasEnded) tunnel.visitorEnded();
  }

  /** Ends our half; unless nothing more was announced reads on for a while, so that what is on its way does not reset the answer. */
  #linger(): void {
    this.#isLingering = true;
    this.#input = undefined;
    this.#begunAt = this.#front.tick;
    if (this.#hasEnded || this.#hasSaidLast) this.#socket.end();
    else {
      this.#socket.shutdown();
      this.resumeBody();
    }
  }

  #throwAway(bytes: number): void {
    this.#lingeredBytes += bytes;
    if (this.#lingeredBytes > LINGER_MOST_BYTES) this.cut();
  }
}
