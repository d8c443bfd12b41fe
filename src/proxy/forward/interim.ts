// Answers before the answer (RFC 9110 section 15.2): those that the visitor can know pass, and 100 is said once to who expects it.
import type { AnswerHead } from "../../core/http1/answer-head.ts";
import { CR, LF, Malformed } from "../../core/http1/bytes.ts";
import type { RequestState } from "./request-state.ts";

/** They pass, but not without end. */
const MOST = 32;
/** As soon as this after a head that expects it, the visitor is asked for its body when the target does not do so. */
export const CONTINUE_MS = 1_000;
const CONTINUE = Buffer.from("HTTP/1.1 100 Continue\r\n\r\n");

/** Those of one try. */
export class InterimAnswers {
  #count = 0;

  /** 100 goes to who expects it and has not been told yet; others to all that can know them. Throws Malformed for too many. */
  pass({ client, head, expectsContinue }: RequestState, answer: AnswerHead, scratch: Buffer): void {
    if (++this.#count > MOST) throw new Malformed("too many interim answers");
    if (answer.status === 100 ? !expectsContinue || this.#count > 1 : head.minor === 0) return;
    let out = answer.write(scratch, 0, true);
    scratch[out++] = CR;
    scratch[out++] = LF;
    client.write(scratch, 0, out, false);
  }

  /** Asks the visitor for its body in the place of a target that has said nothing. */
  askFor({ client, body }: RequestState): void {
    if (this.#count > 0 || body.hasBegun) return;
    this.#count += 1;
    client.write(CONTINUE, 0, CONTINUE.length, false);
  }
}
