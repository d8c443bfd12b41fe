// What follows a failed try at one of several servers: pure, by how far the try got and what the request is.
import type { AnswerName } from "../answers.ts";
import { answerTo } from "../forward/retry.ts";
import type { UpstreamFailure } from "../http-client.ts";

export interface Try {
  /** GET, HEAD, OPTIONS: sending it to another server does no harm. */
  readonly isSafe: boolean;
  /** The body can still be sent, or sent again. */
  readonly isWhole: boolean;
  /** Given up by us, as its server was found to be down. */
  readonly wasCut: boolean;
}

/**
 * `gone`: the visitor has left. `same`: once more at the same server, whose idle connection was found closed.
 * `undelivered`: no byte has left, and the server could not be reached. `elsewhere`: it was sent, and may be repeated at
 * another server, at a price when the server is not known to be down. `end`: that was it.
 */
export type NextStep = "gone" | "same" | "undelivered" | "elsewhere" | "elsewhere_paid" | "end";

export function nextStep({ kind, requestSent, answerBegun }: UpstreamFailure, request: Try): NextStep {
  const { isSafe, isWhole, wasCut } = request;
  if (wasCut) return isSafe && isWhole && !answerBegun ? "elsewhere" : "end";
  if (kind === "aborted") return "gone";
  if (!isWhole || kind === "garbage" || kind === "busy") return "end";
  if (!requestSent) return kind === "reset" ? "same" : "undelivered";
  return kind === "reset" && isSafe && !answerBegun ? "elsewhere_paid" : "end";
}

/** The answer when nobody else can be tried. */
export function answerAfter(failure: UpstreamFailure): AnswerName {
  const name = answerTo(failure);
  return name === "refused" || name === "unreachable" ? "nothing_routable" : name;
}
