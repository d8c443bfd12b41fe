// Why a deploy failed, told so that nobody has to log in to find out: it crashed, never got healthy, or listens elsewhere.
import { Fault } from "../../core/fault.ts";
import type { ListeningPorts } from "../../platform/net/listening-ports.ts";
import type { Logs } from "../logs/logs.ts";
import type { Instance } from "../supervisor/instance.ts";

export interface Diagnosis {
  readonly cause: "not_started" | "crashed" | "wrong_port" | "not_listening" | "unhealthy";
  readonly port: number | null;
  /** What the process listens on; null where the system does not tell. */
  readonly listening: readonly number[] | null;
  readonly lastExit: string | null;
  readonly lastCheck: string | null;
  /** The last lines of its output since this try began, oldest first. */
  readonly output: readonly string[];
}

/** Called before a try; what it answers looks at the instance while its process, if any, still lives, and never rejects. */
export type DiagnosisOf = (instance: Instance) => () => Promise<Diagnosis>;

const OUTPUT_LINES = 20;

/** Of an instance whose process could not be created: there is nothing to look at. */
export const NOT_STARTED: Diagnosis = {
  cause: "not_started",
  port: null,
  listening: null,
  lastExit: null,
  lastCheck: null,
  output: [],
};

export function createDiagnosis(logs: Logs, ports: Pick<ListeningPorts, "listeningPorts">): DiagnosisOf {
  return (instance) => {
    const before = logs.written(instance);
    return async () => {
      const { process, port = null, exit, lastCheck } = instance.latest ?? {};
      const alive = exit === undefined && process?.alive() === true;
      const listeners = alive && process ? ports.listeningPorts(process.pid) : undefined;
      const listening = listeners ? [...new Set(listeners.map((one) => one.port))] : null;
      const output = await logs.lastOutput(instance, OUTPUT_LINES, before).catch(() => []);
      const lastExit = exit ?? null;
      const seen = { port, listening, lastExit, lastCheck: lastCheck?.detail ?? null, output };
      return { ...seen, cause: causeOf(alive, port, listening) };
    };
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

/** All that a failed deploy was found to be, one fact a line: for an event. */
export function explainFailure({ message, hint, details = {} }: Fault): string {
  const { last_check: check, last_exit: exit, listening, output } = details;
  const ports = Array.isArray(listening) && listening.length > 0 ? listening.join(", ") : undefined;
  return [
    message,
    hint,
    typeof check === "string" ? `last check: ${check}` : undefined,
    typeof exit === "string" ? `last exit: ${exit}` : undefined,
    ports && `it listens on: ${ports}`,
    ...(Array.isArray(output) && output.length > 0 ? ["its last output:", ...output.map(String)] : []),
  ]
    .filter((line) => line !== undefined)
    .join("\n");
}

/** The fault that a failed deploy ends with; `reason` is what ran out, or why there is no process. */
export function failedDeploy(name: string, reason: Fault, diagnosis: Diagnosis): Fault {
  const { cause, port, listening, lastExit, lastCheck, output } = diagnosis;
  const what = {
    not_started: `${name}: ${reason.message}`,
    crashed: `${name} crashed: it ${lastExit ?? "ended"}`,
    wrong_port: `${name} listens on the wrong port: on ${listening?.join(", ")}, not on its PORT ${port}`,
    not_listening: `${name} listens on no port; it should listen on its PORT ${port}`,
    unhealthy: reason.message,
  }[cause];
  const hint = {
    not_started: reason.hint,
    crashed:
      output.length > 0
        ? `ten logs ${name} has all of its output`
        : "it wrote nothing: check its command and environment",
    wrong_port: "listen on the PORT of the environment, or write {port} in the command",
    not_listening:
      "listen on the PORT of the environment, or write {port} in the command; a slow start needs a longer --timeout",
    unhealthy: `ten logs ${name} has all of its output; a slow start needs a longer --timeout`,
  }[cause];
  const details = { cause, last_check: lastCheck, last_exit: lastExit, port, listening, output };
  const message = `the deploy failed: ${what}. The other versions keep their traffic`;
  return new Fault("unhealthy", message, hint, { details });
}
