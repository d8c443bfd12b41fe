// DNS-01 by a command of the operator's: it puts a TXT record into the zone, and takes it out again.
import { messageOf } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";

const WITHIN_MS = 120_000;
const OUTPUT_MOST_CHARS = 300;

/**
 * Runs `WORDS... set|clear _acme-challenge.NAME VALUE`; resolves when it has ended well. It is to end when the record can be seen,
 * and may be run twice with the same words. Rejects with what it wrote when it fails or takes longer than two minutes.
 */
export async function runDnsCommand(
  words: readonly string[],
  action: "set" | "clear",
  name: string,
  value: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const shown = quote(`${words.join(" ")} ${action} ${name}`);
  let child: Bun.Subprocess<"ignore", "ignore", "pipe">;
  try {
    child = Bun.spawn([...words, action, name, value], {
      env,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
      timeout: WITHIN_MS,
      killSignal: "SIGKILL",
    });
  } catch (thrown) {
    throw new Error(`${shown} cannot be started: ${messageOf(thrown)}`);
  }
  const [said, status] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (status === 0) return;
  const why = said.trim().split("\n").slice(-3).join("; ").slice(0, OUTPUT_MOST_CHARS);
  throw new Error(`${shown} failed (${child.signalCode ?? `exit ${status}`}): ${why || "no output"}`);
}

/** Where the record of a name, or of a wildcard, belongs (RFC 8555 section 8.4). */
export function recordOf(name: string): string {
  return `_acme-challenge.${name.replace(/^\*\./, "")}`;
}
