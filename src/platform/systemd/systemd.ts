// systemd as one that installs a unit sees it: where units lie, and systemctl.
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { Fault } from "../../core/fault.ts";
import type { Environment } from "../environment.ts";

export type Scope = "system" | "user";

/** What systemd knows of a unit. */
export interface UnitState {
  readonly active: boolean;
  readonly enabled: boolean;
  /** The file has changed since systemd read it. */
  readonly stale: boolean;
  /** The main process, 0 without one. */
  readonly mainPid: number;
}

export interface Systemd {
  /** Where the administrator's units lie. */
  readonly directory: string;
  /** A Fault (`unreachable`) with what to do instead unless systemd runs and answers. */
  demand(): Promise<void>;
  state(unit: string): Promise<UnitState>;
  /** Runs systemctl; a failure is a Fault (`unhealthy`) with what it said and the unit's last log lines. */
  systemctl(...words: string[]): Promise<void>;
}

const LOG_LINES = 10;

export function createSystemd(scope: Scope, env: Environment, signal: AbortSignal): Systemd {
  const scoped = scope === "user" ? ["--user"] : [];
  const home = env.XDG_CONFIG_HOME ?? join(env.HOME ?? homedir(), ".config");

  async function run(program: string, words: readonly string[]) {
    const child = Bun.spawn([program, ...scoped, ...words], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      signal,
      env: { ...env, LC_ALL: "C", SYSTEMD_COLORS: "0", SYSTEMD_PAGER: "" },
    });
    const [stdout, stderr, exit] = await Promise.all([
      child.stdout.text(),
      child.stderr.text(),
      child.exited,
    ]);
    signal.throwIfAborted();
    return { exit, stdout: stdout.trim(), stderr: stderr.trim() };
  }

  return {
    directory: scope === "user" ? join(home, "systemd/user") : "/etc/systemd/system",
    async demand() {
      const hint = "let what starts programs here run the command line behind ExecStart= that --print shows";
      if (!Bun.which("systemctl", { PATH: env.PATH ?? "" }))
        throw new Fault("unreachable", "there is no systemd on this machine: no systemctl in PATH", hint);
      const { stdout, stderr } = await run("systemctl", ["is-system-running"]);
      // Whoever is not root may be refused the answer, which is one, too.
      if (scope === "system" ? stdout !== "offline" : /^(starting|running|degraded)$/.test(stdout)) return;
      if (scope === "system")
        throw new Fault("unreachable", `systemd is installed but does not run here (${stdout})`, hint);
      throw new Fault(
        "unreachable",
        `the systemd of this user does not answer: ${stderr || stdout}`,
        "log in as that user instead of using su or sudo, or: loginctl enable-linger; or install for the machine, without --user-unit",
      );
    },
    async state(unit) {
      const asked = ["ActiveState", "UnitFileState", "NeedDaemonReload", "MainPID"];
      const { stdout } = await run("systemctl", ["show", unit, ...asked.map((name) => `--property=${name}`)]);
      const found = new Map(stdout.split("\n").map((line) => line.split("=") as [string, string]));
      return {
        active: /^(active|reloading)$/.test(found.get("ActiveState") ?? ""),
        enabled: found.get("UnitFileState") === "enabled",
        stale: found.get("NeedDaemonReload") === "yes",
        mainPid: Number(found.get("MainPID") ?? 0),
      };
    },
    async systemctl(...words) {
      const { exit, stderr } = await run("systemctl", words);
      if (exit === 0) return;
      const unit = words.at(-1) ?? "";
      const log = words.length > 1 ? await lastLines(unit) : [];
      const journal = `journalctl ${[...scoped, "-u", unit].join(" ")}`;
      throw new Fault(
        "unhealthy",
        `systemctl ${words.join(" ")} failed: ${stderr}`,
        `systemd goes on trying; see: ${journal}`,
        {
          details: { last_output: log },
        },
      );
    },
  };

  async function lastLines(unit: string): Promise<string[]> {
    try {
      const words = ["-u", unit, "-n", String(LOG_LINES), "-o", "cat", "--no-pager", "-q"];
      const { stdout } = await run("journalctl", words);
      return stdout.split("\n").filter(Boolean);
    } catch {
      return [];
    }
  }
}

/** Whether a user's units start with the machine, without anybody logged in. */
export function lingers(user: string): boolean {
  return existsSync(join("/var/lib/systemd/linger", user));
}
