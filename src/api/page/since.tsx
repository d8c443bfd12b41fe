// Since when something is so, and for how long: `since 14:02:09, for 3m 2s`; with its day when that was another.
import { clockOf, dayOf } from "./time.ts";

const DAY_MS = 86_400_000;

interface SinceProps {
  readonly since: string;
  /** How a time is said. */
  readonly format: (seconds: number) => string;
}

export function Since({ since, format }: SinceProps) {
  const lastedMs = Date.now() - Date.parse(since);
  return (
    <>
      since <time dateTime={since}>{lastedMs < DAY_MS / 2 ? clockOf(since) : dayOf(since)}</time>, for{" "}
      {format(lastedMs / 1000)}
    </>
  );
}
