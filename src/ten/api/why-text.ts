// What of `why` the terminal and the page say in the same words.
import type { ProxyAnswers, WhyView } from "./shapes.ts";

const WELL: ReadonlySet<string> = new Set(["well", "no_traffic", "sleeping", "stopped"]);

/** Whether nothing is wrong: it serves, or is not meant to. */
export function meansWell({ cause }: Pick<WhyView, "cause">): boolean {
  return WELL.has(cause.kind);
}

/** Where it listens, to be read behind the port that it was given; empty while that is not known. */
export function listeningText({ listening }: Pick<WhyView, "listening">): string {
  if (listening === null) return "";
  return listening.length === 0 ? ", listens on none" : `, listens on ${listening.join(", ")}`;
}

/** From which version what differs; null when nothing does. */
export function differsText({ differs_from: differs }: Pick<WhyView, "differs_from">): string | null {
  return differs && differs.keys.length > 0 ? `from ${differs.id}: ${differs.keys.join(", ")}` : null;
}

/** `api: the proxy itself answered 5 requests in the last 5 min: 5 with 503 nothing_routable`; undefined: none. */
export function reasonsText({ window_secs: secs, reasons }: ProxyAnswers): string | undefined {
  if (reasons.length === 0) return undefined;
  const total = reasons.reduce((sum, { count }) => sum + count, 0);
  const each = reasons.map(({ reason, status, count }) => `${count} with ${status} ${reason}`);
  return `the proxy itself answered ${total} ${total === 1 ? "request" : "requests"} in the last ${secs / 60} min: ${each.join(", ")}`;
}
