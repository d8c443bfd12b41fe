// One request under way: what it brings, and what has become of it so far.
import type { RequestHead } from "../../core/http1/request-head.ts";
import type { Route, Target } from "../../core/route.ts";
import type { Mark, Sticky } from "../../core/sticky.ts";
import type { AccessRecord } from "../access-log.ts";
import type { AnswerName } from "../answers.ts";
import type { TrialTry } from "../trial-counters.ts";
import type { Client } from "./client.ts";
import { bodyOf, type RequestBody } from "./request-body.ts";
import { readMark, writeMark } from "./sticky-cookie.ts";

/** Who takes a request to its answer, from try to try. */
export interface Courier {
  /** Called once, when what has come of the body with the head has been taken. */
  forward(visit: RequestState): void;
  /** The visitor's side has answered it: what came was no request any more. */
  refused?(visit: RequestState, name: AnswerName): void;
}

/** What is known of a request before a target is chosen. */
export interface RequestFacts {
  readonly courier: Courier;
  /** The visitor's address, as far as its peer may say it. */
  readonly visitor: string;
  readonly added: string;
  readonly isSecure: boolean;
  readonly asksUpgrade: boolean;
  readonly expectsContinue: boolean;
}

/** Whether a request only reads that path, with whatever query. */
export function looksAt(head: RequestHead, wanted: string): boolean {
  return (head.method === "GET" || head.isHead) && head.isFor(wanted);
}

/** A try, as the visitor's side sees it. */
export interface Attempt {
  /** More of the body has come, or too much of it. */
  onBody(): void;
  /** The visitor has taken what was unsent. */
  visitorDrained(): void;
  /** Its body comes too slowly. */
  onBodyLate(): void;
  /** Ends it: its visitor has left. */
  abort(): void;
  /** Bytes of the request that the target has not taken, and of an answer that is not read yet. */
  readonly heldBytes: number;
  /** The visitor has seen a part of its answer. */
  readonly hasBegun: boolean;
  /** Its answer has no end of its own: who no longer sends no longer listens either. */
  readonly isEndless: boolean;
}

const EVENT_STREAM = "text/event-stream";

/** What a request brings and what has become of it so far. */
export class RequestState {
  readonly client: Client;
  readonly courier: Courier;
  readonly visitor: string;
  readonly head: RequestHead;
  readonly body: RequestBody;
  readonly method: string;
  /** The fields that are added to its own, as they are written. */
  added: string;
  /** The visitor has come by https, as far as that can be known. */
  readonly isSecure: boolean;
  /** It asks for another protocol, and may have it. */
  readonly asksUpgrade: boolean;
  readonly expectsContinue: boolean;
  /** It watches targets, and does not use them. */
  readonly isCheck: boolean;
  route: Route;
  /** The target asked for by name, past the weights. */
  readonly label: string | undefined;
  /** The try that is under way. */
  attempt: Attempt | undefined;
  #leaving: AbortController | undefined;
  /** The sleeping target whose turn it was. */
  picked: string | undefined;
  /** Who knows where visitors of the route belong; undefined where they are not kept. */
  sticky: Sticky | undefined;
  /** The mark that the visitor brought. */
  #mark: Mark | undefined;
  /** Whom its turn, or the mark that it brought, gave it to first. */
  turn: { readonly target: string; readonly isHome: boolean } | undefined;
  /** What its line in the access log is made of; undefined: it has none. */
  access: AccessRecord | undefined;
  /** What its first try is counted as, while a version is judged. */
  trial: TrialTry | undefined;
  /** Who answers in the place of a canary that has failed: its label. */
  rescuer: string | undefined;
  #given: { readonly target: Target; readonly mark: Mark } | undefined;
  /** Targets that failed this request, as they were then. */
  tried: Map<string, Target> | undefined;
  attempts = 0;
  /** The reason of the last failure, as an answer. */
  failure: AnswerName | undefined;
  /** What the target that failed it last did, for the operator. */
  failureText: string | undefined;
  failedBy: string | undefined;
  /** No byte of it has reached a target. */
  untouched = true;
  /** The first retry after a target's exit is free. */
  hadFreeRetry = false;
  /** When waiting ends, on the monotonic clock; undefined until it begins. */
  waitUntil: number | undefined;
  isLate = false;
  /** The program has been asked to make the unknown target, and has answered. */
  demand: "open" | "made" | "refused" = "open";

  constructor(
    client: Client,
    head: RequestHead,
    facts: RequestFacts,
    route: Route,
    label: string | undefined,
    isCheck = false,
  ) {
    this.client = client;
    this.courier = facts.courier;
    this.visitor = facts.visitor;
    this.head = head;
    this.method = head.method;
    this.added = facts.added;
    this.isSecure = facts.isSecure;
    this.asksUpgrade = facts.asksUpgrade;
    this.expectsContinue = facts.expectsContinue;
    this.isCheck = isCheck;
    this.route = route;
    this.label = label;
    this.body = bodyOf(head, route.policy.maxBodyBytes);
  }

  get wantsEvents(): boolean {
    const { accept } = this.head;
    if (accept.end - accept.start !== EVENT_STREAM.length) return false;
    return this.head.text("accept", accept) === EVENT_STREAM;
  }

  /** For what waits: most requests never ask for it. */
  get signal(): AbortSignal {
    this.#leaving ??= new AbortController();
    if (this.client.isGone && !this.#leaving.signal.aborted) this.#leaving.abort();
    return this.#leaving.signal;
  }

  /** Nothing more of its answer follows; `reason`: though it was not whole. */
  ended(sentBytes: number, reason?: string): void {
    this.access?.end(this, sentBytes, reason);
  }

  /** Its visitor has left. */
  left(sentBytes: number): void {
    this.ended(sentBytes, "client_left");
    this.attempt?.abort();
    this.#leaving?.abort();
  }

  /** The target that a returning visitor belongs to, if it has not failed this request. */
  home(): Target | undefined {
    const name = this.route.policy.sticky;
    if (this.sticky === undefined || name === undefined) return undefined;
    this.#mark ??= readMark(this.head.field("cookie", "; "), name);
    return this.#mark && this.sticky.homeOf(this.#mark, this.tried);
  }

  /** The Set-Cookie that a visitor served by this target must be given; undefined when there is nothing to change. */
  cookieFrom(target: Target): string | undefined {
    const name = this.route.policy.sticky;
    const mark = this.#markFrom(target);
    if (name === undefined || mark === undefined || mark === this.#mark) return undefined;
    return writeMark(name, mark, this.isSecure, this.route.policy.stickySameSite);
  }

  /** The number of the visitor, where visitors are kept. */
  visitorOf(target: Target): number | undefined {
    return this.#markFrom(target)?.seed;
  }

  /** Drawn once. */
  #markFrom(target: Target): Mark | undefined {
    if (this.sticky === undefined || this.route.policy.sticky === undefined) return undefined;
    if (this.#given?.target !== target)
      this.#given = { target, mark: this.sticky.markFor(target, this.#mark, randomInteger) };
    return this.#given.mark;
  }

  /** Remembers a target that failed, so that the request goes elsewhere until a table shows the target changed. */
  avoid(target: Target): void {
    this.tried ??= new Map();
    this.tried.set(target.id, target);
  }
}

/** Below 2^32. */
function randomInteger(): number {
  return Math.floor(Math.random() * 2 ** 32);
}
