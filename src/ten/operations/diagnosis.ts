// Why a deploy failed, told so that nobody has to log in to find out: it crashed, never got healthy, or listens elsewhere.
import { Fault } from "../../core/fault.ts";
import type { Logs } from "../logs/logs.ts";
import type { InstanceRow } from "../registry/registry.ts";
import type { Instance } from "../supervisor/instance.ts";
import type { Misplacement, Whereabouts } from "../supervisor/whereabouts.ts";

export interface Diagnosis {
  readonly cause: "not_started" | "crashed" | "unhealthy" | Misplacement;
  readonly port: number | null;
  /** What the process listens on; null where the system does not tell. */
  readonly listening: readonly number[] | null;
  /** The same with addresses, `127.0.0.1:4000`. */
  readonly addresses: readonly string[] | null;
  /** Where it lives: where it listens instead of where it should, and what to do about that. */
  readonly whereabouts: Whereabouts | undefined;
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
  addresses: null,
  whereabouts: undefined,
  lastExit: null,
  lastCheck: null,
  output: [],
};

export function createDiagnosis(
  logs: Logs,
  whereaboutsOf: (row: InstanceRow) => Whereabouts | undefined,
): DiagnosisOf {
  return (instance) => {
    const before = logs.written(instance);
    return async () => {
      const { process, port = null, exit, lastCheck } = instance.latest ?? {};
      const alive = exit === undefined && process?.alive() === true;
      const whereabouts = alive ? whereaboutsOf(instance.row) : undefined;
      const listeners = whereabouts?.listening;
      const listening = listeners ? [...new Set(listeners.map((one) => one.port))] : null;
      const addresses = listeners ? listeners.map((one) => `${one.address}:${one.port}`) : null;
      const output = await logs.lastOutput(instance, OUTPUT_LINES, before).catch(() => []);
      const seen = { port, listening, addresses, whereabouts, output };
      const cause = alive ? (whereabouts?.misplaced ?? "unhealthy") : "crashed";
      return { ...seen, lastExit: exit ?? null, lastCheck: lastCheck?.detail ?? null, cause };
    };
  };
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
  const { cause, port, listening, addresses, whereabouts, lastExit, lastCheck, output } = diagnosis;
  const [what, hint] = explain(name, reason, diagnosis);
  const asked = whereabouts?.asked ?? null;
  const details = {
    ...{ cause, last_check: lastCheck, last_exit: lastExit, port, listening, addresses, asked },
    output,
  };
  const message = `the deploy failed: ${what}. The other versions keep their traffic`;
  return new Fault("unhealthy", message, hint, { details });
}

function explain(
  name: string,
  reason: Fault,
  { cause, whereabouts, lastExit, output }: Diagnosis,
): [what: string, hint: string | undefined] {
  const log = `ten logs ${name} has all of its output`;
  switch (cause) {
    case "not_started":
      return [`${name}: ${reason.message}`, reason.hint];
    case "crashed":
      return [`${name} crashed: it ${lastExit ?? "ended"}`, crashHint(lastExit, output, log)];
    case "unhealthy":
      return [reason.message, `${log}; a slow start needs a longer --timeout`];
    case "not_listening":
      return [`${name} ${whereabouts?.text}`, `${whereabouts?.hint}; a slow start needs a longer --timeout`];
    default:
      return [`${name} ${whereabouts?.text}`, whereabouts?.hint];
  }
}

function crashHint(lastExit: string | null, output: readonly string[], log: string): string {
  if (lastExit === "exited with code 0")
    return `it must stay in the foreground, as nginx does with "daemon off;"; ${log}`;
  if (output.length > 0) return log;
  return "it wrote nothing, or kept what it wrote in a buffer: check its command and environment";
}
