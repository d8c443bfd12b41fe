// The health of what listens on no port: it lives on for a while, or a command says that it is well.
import { messageOf } from "../../core/fault.ts";
import type { CheckResult } from "../../platform/net/health-check.ts";
import type { Account } from "../../platform/process/account.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { ProcessSpec } from "./process-spec.ts";
import type { Run } from "./run.ts";

const SHOWN_CHARS = 200;

/** Alive for `graceMs`; one that was adopted has been. */
export function checkLife({ process, startedAtMs }: Run, graceMs: number, clock: Clock): CheckResult {
  const aliveMs = clock.monotonic() - startedAtMs;
  if (!process.alive()) return { ok: false, latencyMs: 0, detail: "it does not run" };
  if (process.isAdopted || aliveMs >= graceMs) return { ok: true, latencyMs: 0, detail: "it runs" };
  return {
    ok: false,
    latencyMs: 0,
    detail: `it runs for ${(aliveMs / 1000).toFixed(1)} s, of ${graceMs / 1000} s`,
  };
}

/** Runs a command in the instance's place and as its user; well is exit code 0 in time. Never rejects. */
export async function checkByCommand(
  command: () => readonly [ProcessSpec, Account | undefined],
  {
    clock,
    timeoutMs,
    signal,
  }: { readonly clock: Clock; readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<CheckResult> {
  const startedAt = clock.monotonic();
  const outcome = (ok: boolean, detail: string): CheckResult => ({
    ok,
    latencyMs: clock.monotonic() - startedAt,
    detail,
  });
  try {
    const [{ argv, env, cwd }, account] = command();
    const who = account && { uid: account.uid, gid: account.gid };
    const child = Bun.spawn([...argv], {
      ...{ env, cwd, ...who, detached: true },
      ...{ stdin: "ignore", stdout: "ignore", stderr: "pipe" },
    });
    let isLate = false;
    const end = () => endGroup(child.pid);
    const cancelLate = clock.after(timeoutMs, () => {
      isLate = true;
      end();
    });
    signal.addEventListener("abort", end, { once: true });
    try {
      const [said, code] = await Promise.all([child.stderr.text(), child.exited]);
      if (isLate) return outcome(false, `health_command did not end within ${timeoutMs / 1000} s`);
      if (signal.aborted) return { ...outcome(false, "cancelled"), inconclusive: true };
      if (code === 0) return outcome(true, "health_command ended with code 0");
      const why = said.trim().split("\n").at(-1)?.slice(0, SHOWN_CHARS) ?? "";
      return outcome(false, `health_command ended with code ${code}${why && `: ${why}`}`);
    } finally {
      cancelLate();
      signal.removeEventListener("abort", end);
    }
  } catch (thrown) {
    return outcome(false, `health_command cannot be run: ${messageOf(thrown)}`);
  }
}

function endGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // It has ended.
  }
}
