// What of `why` the terminal and the page say in the same words.
import { formatBytes } from "../../cli/format.ts";
import type { WhyView } from "./shapes.ts";

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

/** Bytes: of more than that nobody runs out. */
const PLENTY = 10 * 2 ** 30;

/** What is free of the disk, where that is little. */
export function scarceDisk({ disk_free_bytes: bytes }: Pick<WhyView, "disk_free_bytes">): string | null {
  return bytes === null || bytes >= PLENTY ? null : formatBytes(bytes);
}
