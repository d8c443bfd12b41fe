// The seam between a listener and its connections.
import type { RequestHead } from "../../core/http1/request-head.ts";
import type { RequestRules } from "../../core/http1/request-rules.ts";
import type { AnswerName } from "../answers.ts";
import type { RequestState } from "../forward/request-state.ts";
import type { ClientShare, Counted } from "./gate.ts";

/** What all connections of a listener share. */
export interface Front<Connection> {
  /** Seconds, counted by a sweep over all connections. */
  readonly tick: number;
  /** Answers say that their connection ends: for good, or while others wait to be let in. */
  readonly isClosing: boolean;
  readonly isCrowded: boolean;
  /** The least that a body may bring a second while nobody but its visitor is waited for. */
  readonly minBodyRate: number;
  /** The least that is taken of what waits for its visitor, in bytes a second. */
  readonly minReadRate: number;
  rulesFor(client: Connection): RequestRules;
  /** The request as it goes on; undefined when it has been answered. */
  handle(client: Connection, head: RequestHead): RequestState | undefined;
  /** What was refused before it was a request. */
  onRefused(name: AnswerName, client: Connection): void;
  /** A visitor is cut off because he takes too little. */
  onSlowReader(client: Connection): void;
  onDefect(error: unknown): void;
  /** What a client has open that is named by somebody else. */
  shareOf(address: string): ClientShare;
  /** Counts one more of a client until `leave`; false when it has too many. */
  enter(share: ClientShare, what: Counted): boolean;
  leave(share: ClientShare, what: Counted): void;
  gone(client: Connection): void;
}

/** How a connection was accepted. */
export interface Accepted {
  readonly peer: string;
  readonly peerTrusted: boolean;
  readonly visitor: string;
  readonly isTls: boolean;
  /** The host that its handshake named. */
  readonly serverName: string | undefined;
  /** As whose it is counted; undefined: as nobody's. */
  readonly share: ClientShare | undefined;
}
