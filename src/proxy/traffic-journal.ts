// The minutes of a traffic history on disk: what a killed server had counted is there at its next start, to the last minute.
import { z } from "zod";
import type { Minute } from "../core/traffic-series.ts";
import { openLineJournal } from "../platform/storage/line-journal.ts";
import type { Clock } from "../platform/time/clock.ts";
import type { MinuteJournal } from "./traffic-history.ts";

const DAY_MS = 86_400_000;
/** A thousand names that are busy all day. */
const MAX_BYTES = 64 * 1024 * 1024;
const whole = z.int().nonnegative();
const minute = z.tuple([whole, whole, whole], whole) satisfies z.ZodType<Minute>;
const record = z.object({ minute: whole, names: z.record(z.string(), minute) });

export function openTrafficJournal(
  path: string,
  clock: Clock,
  onTrouble: (text: string) => void,
): MinuteJournal {
  const file = openLineJournal({ path, clock, spanMs: DAY_MS, maxBytes: MAX_BYTES, onTrouble });
  return {
    *read() {
      const now = Math.floor(clock.now() / 60_000);
      for (const line of file.read()) {
        const { success, data } = record.safeParse(line);
        // A clock that was wrong once does not show a future.
        if (success && data.minute <= now && data.minute > now - DAY_MS / 60_000) yield data;
      }
    },
    append: file.append,
  };
}
