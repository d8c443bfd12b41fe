// What a proxy has answered itself in the place of those behind it, as the admin APIs of both programs tell it.
import { z } from "zod";

export const reasonCount = z.object({ reason: z.string(), status: z.number(), count: z.number() });

/** Over the last `window_secs` by reason, the most frequent first; `windows`: in all over shorter and longer times. */
export const proxyAnswers = z.object({
  window_secs: z.number(),
  reasons: z.array(reasonCount),
  windows: z.array(z.object({ window_secs: z.number(), count: z.number() })),
});
