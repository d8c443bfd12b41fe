// When a job runs: cron's expressions, in the machine's time.
import { Cron } from "croner";
import { messageOf } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";

/** Throws an Error that says what is wrong with the expression. */
export function checkSchedule(expression: string): void {
  let next: Date | null;
  try {
    next = parse(expression).nextRun();
  } catch (thrown) {
    const why = messageOf(thrown).replace(/^\w+: /, "");
    throw new Error(`expected a cron expression such as "0 3 * * *": ${why}`);
  }
  if (next === null) throw new Error(`${quote(expression)} never comes`);
}

/** The first moment after `afterMs`, both in milliseconds since the epoch; undefined when there is none. */
export function nextRunAfter(expression: string, afterMs: number): number | undefined {
  return parse(expression).nextRun(new Date(afterMs))?.getTime();
}

/** Croner would also run things itself; here it only counts. */
function parse(expression: string): Cron {
  return new Cron(expression, { paused: true });
}
