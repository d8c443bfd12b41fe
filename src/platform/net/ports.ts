// Ports for instances: chosen from a range, outside what the system hands out itself, and free right now.
import { readFileSync } from "node:fs";
import { Fault } from "../../core/fault.ts";

/** Both ends are part of it. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface PortChoice {
  readonly range: PortRange;
  /** Ports that belong to somebody already, running or not. */
  readonly taken: ReadonlySet<number>;
  /** From 0 up to 1: where the search begins, so that a port just given back is rarely given out again at once. */
  readonly chance: number;
  /** What the system hands out to outgoing connections. */
  readonly ephemeral?: Ephemeral;
  /** Where it is to be free; 127.0.0.1 unless given. */
  readonly address?: string;
}

/**
 * The ports that outgoing connections get. An instance there may find its port taken by a connection at any time, and a
 * check may meet itself: a connect to an unused port of this range can connect to itself.
 */
export interface Ephemeral {
  readonly range: PortRange;
  /** Parts of the range that the system leaves alone (`net.ipv4.ip_local_reserved_ports`). */
  readonly reserved: readonly PortRange[];
}

/** Where Linux keeps it can be read; elsewhere this is what macOS and the BSDs use. */
const USUAL: PortRange = { first: 49152, last: 65535 };

/** `20000-29999`, or undefined when that is not a range of ports. */
export function parsePortRange(text: string): PortRange | undefined {
  const match = /^\s*(\d{1,5})\s*-\s*(\d{1,5})\s*$/.exec(text);
  const range = { first: Number(match?.[1]), last: Number(match?.[2]) };
  return range.first >= 1 && range.first <= range.last && range.last <= 65535 ? range : undefined;
}

/** What the system says about its ephemeral ports now. */
export function readEphemeral(): Ephemeral {
  const range = parsePortRange(readSetting("ip_local_port_range").replace(/\s+/, "-")) ?? USUAL;
  const words = readSetting("ip_local_reserved_ports").split(",");
  const reserved = words.flatMap(
    (word) => parsePortRange(word.includes("-") ? word : `${word}-${word}`) ?? [],
  );
  return { range, reserved };
}

/** A free port of the range; a conflict fault when there is none, with the reason. */
export function choosePort(choice: PortChoice): number {
  const { range, taken, chance } = choice;
  const ephemeral = choice.ephemeral ?? readEphemeral();
  const count = range.last - range.first + 1;
  const start = Math.floor(chance * count);
  let outside = 0;
  for (let step = 0; step < count; step++) {
    const port = range.first + ((start + step) % count);
    if (isEphemeral(port, ephemeral)) continue;
    outside++;
    if (!taken.has(port) && isFree(port, choice.address)) return port;
  }
  const name = `${range.first}-${range.last}`;
  if (outside > 0) throw new Fault("conflict", `no port of ${name} is free`, "widen ports, or ten prune");
  const { first, last } = ephemeral.range;
  throw new Fault(
    "conflict",
    `ports ${name} are all among those that the system gives to outgoing connections (${first}-${last})`,
    `choose ports outside, or reserve them: sysctl -w net.ipv4.ip_local_reserved_ports=${name}`,
  );
}

/** Whether nobody listens there now, on this loopback address or on any address. */
export function isFree(port: number, address = "127.0.0.1"): boolean {
  return [address, address.includes(":") ? "::" : "0.0.0.0"].every((hostname) => {
    try {
      Bun.listen({ hostname, port, socket: { data() {} } }).stop(true);
      return true;
    } catch {
      return false;
    }
  });
}

/** Whether the system may give the port to an outgoing connection. */
export function isEphemeral(port: number, { range, reserved }: Ephemeral): boolean {
  return contains(range, port) && !reserved.some((part) => contains(part, port));
}

function contains(range: PortRange, port: number): boolean {
  return range.first <= port && port <= range.last;
}

function readSetting(name: string): string {
  try {
    return readFileSync(`/proc/sys/net/ipv4/${name}`, "utf8").trim();
  } catch {
    return "";
  }
}
