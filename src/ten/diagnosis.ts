// Why a deploy failed, told so that nobody has to log in to find out: it crashed, never got healthy, or listens elsewhere.
import { Fault } from "../core/fault.ts";
import type { Instance } from "./instance.ts";

export interface Diagnosis {
  readonly cause: "crashed" | "wrong_port" | "not_listening" | "unhealthy";
  readonly port: number | null;
  /** What the process listens on; null where the system does not tell. */
  readonly listening: readonly number[] | null;
  readonly lastExit: string | null;
  readonly lastCheck: string | null;
  /** The last lines of its output, oldest first. */
  readonly output: readonly string[];
}

/** Looks at an instance while its process, if any, still lives. Never rejects. */
export type DiagnosisOf = (instance: Instance) => Promise<Diagnosis>;

export interface DiagnosisParts {
  listeningPorts(session: number): readonly { readonly port: number }[] | undefined;
  lastOutput(instance: Instance, lines: number): Promise<readonly string[]>;
}

const OUTPUT_LINES = 20;

export function createDiagnosis(parts: DiagnosisParts): DiagnosisOf {
  return async (instance) => {
    const { process, lastCheck } = instance;
    const { port, lastExit } = instance.row;
    const alive = process?.alive() === true;
    const listeners = alive && process ? parts.listeningPorts(process.pid) : undefined;
    const listening = listeners ? [...new Set(listeners.map((one) => one.port))] : null;
    const output = await parts.lastOutput(instance, OUTPUT_LINES).catch(() => []);
    const seen = { port, listening, lastExit, lastCheck: lastCheck?.detail ?? null, output };
    return { ...seen, cause: causeOf(alive, port, listening) };
  };
}

function causeOf(
  alive: boolean,
  port: number | null,
  listening: readonly number[] | null,
): Diagnosis["cause"] {
  if (!alive) return "crashed";
  if (listening === null || (port !== null && listening.includes(port))) return "unhealthy";
  return listening.length > 0 ? "wrong_port" : "not_listening";
}

/** The fault that a failed deploy ends with; `timeout` is what ran out, when something did. */
export function failedDeploy(name: string, timeout: string, diagnosis: Diagnosis): Fault {
  const { cause, port, listening, lastExit, lastCheck, output } = diagnosis;
  const what = {
    crashed: `${name} crashed: it ${lastExit ?? "ended"}`,
    wrong_port: `${name} listens on the wrong port: on ${listening?.join(", ")}, not on its PORT ${port}`,
    not_listening: `${name} listens on no port; it should listen on its PORT ${port}`,
    unhealthy: `${name} never became healthy: ${timeout}`,
  }[cause];
  const hint = {
    crashed: `its output is below; ten logs ${name} has all of it`,
    wrong_port: "listen on the PORT of the environment, or write {port} in the command",
    not_listening:
      "listen on the PORT of the environment, or write {port} in the command; a slow start needs a longer --timeout",
    unhealthy: `see the last check below; ten logs ${name} has its output; a slow start needs a longer --timeout`,
  }[cause];
  const details = {
    cause,
    last_check: lastCheck,
    last_exit: lastExit,
    port,
    listening,
    output,
  };
  return new Fault("unhealthy", `the deploy failed: ${what}. The other versions keep their traffic`, hint, {
    details,
  });
}
