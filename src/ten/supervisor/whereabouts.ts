// Where an instance listens against where it is asked: why a start that looks well serves nobody, and who could go round the proxy.
import { bracketed } from "../../core/host.ts";
import { type Listener, type ListeningPorts, portHolder } from "../../platform/net/listening-ports.ts";
import type { Run } from "./run.ts";

export type Misplacement = "wrong_port" | "wrong_address" | "stranger" | "not_listening";

export interface Whereabouts {
  /** What its processes listen on; undefined where the system does not tell. */
  readonly listening: readonly Listener[] | undefined;
  /** Where it is asked, `127.0.0.1:20001`. */
  readonly asked: string;
  /** Undefined when it listens where it should, or when that cannot be told. */
  readonly misplaced: Misplacement | undefined;
  /** What is wrong, in words that read on after its name; empty when nothing is. */
  readonly text: string;
  /** What to do about it. */
  readonly hint: string;
  /** Where others reach it past the proxy, `0.0.0.0:20001`. */
  readonly exposed: string | undefined;
}

const EVERYWHERE: ReadonlySet<string> = new Set(["0.0.0.0", "[::]"]);
const PORT_HINT = "listen on the PORT of the environment, or write {port} in the command";

/** A look at the process of a run that lives. */
export function whereaboutsOf(
  run: Run,
  address: string,
  ports: Pick<ListeningPorts, "listeningPorts">,
): Whereabouts {
  const port = run.port ?? 0;
  const asked = `${bracketed(address)}:${port}`;
  const listening = ports.listeningPorts(run.process);
  const seen = { listening, asked, exposed: exposedOf(listening, port) };
  const [misplaced, text, hint] = judge(run, listening, address, port, asked);
  return { ...seen, misplaced, text, hint };
}

/** Why a start does not get healthy: what its last check saw, and where it listens instead. */
export function whyNotHealthy({ lastCheck }: Run, { text, hint }: Whereabouts): string {
  const detail = lastCheck?.detail ?? "no check came to an end";
  return text === "" ? detail : `${detail}; it ${text}: ${hint}`;
}

function exposedOf(listening: readonly Listener[] | undefined, port: number): string | undefined {
  const open = listening?.find((one) => one.port === port && EVERYWHERE.has(one.address));
  return open && `${open.address}:${port}`;
}

function judge(
  { process }: Run,
  listening: readonly Listener[] | undefined,
  address: string,
  port: number,
  asked: string,
): [Misplacement | undefined, string, string] {
  if (listening === undefined || port === 0) return [undefined, "", ""];
  const here = listening.filter((one) => one.port === port);
  const own = bracketed(address);
  const takes = ({ address: at }: Listener) =>
    at === own ||
    at === "[::]" ||
    (at === "0.0.0.0" && !address.includes(":")) ||
    at === `[::ffff:${address}]`;
  if (here.some(takes)) return [undefined, "", ""];
  if (here.length > 0) {
    const at = here.map((one) => `${one.address}:${port}`).join(", ");
    const hint = `listen on the HOST of the environment, or write address = "::1" for the service`;
    return ["wrong_address", `listens on ${at}, and is asked at ${asked}`, hint];
  }
  const holder = portHolder(port);
  if (holder)
    return [
      "stranger",
      `does not listen on its PORT ${port}: ${holder.name} (pid ${holder.pid}) does, which is neither in its session ${process.pid} nor carries its TEN_NONCE`,
      'where the command changes the user (su, sudo) write user = "..." for the service instead',
    ];
  if (listening.length > 0) {
    const at = [...new Set(listening.map((one) => one.port))].join(", ");
    return ["wrong_port", `listens on the wrong port: on ${at}, not on its PORT ${port}`, PORT_HINT];
  }
  return ["not_listening", `listens on no port; it should listen on its PORT ${port}`, PORT_HINT];
}
