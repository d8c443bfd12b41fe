// What one visitor and all together may hold, as `slum serve --limits` says it: the names are those of tenement.toml.
import { advice } from "../core/did-you-mean.ts";
import { Fault } from "../core/fault.ts";
import type { FrontLimits } from "../proxy/data-plane.ts";

const MEGABYTE = 1024 * 1024;
const KEYS: Readonly<Record<string, (value: number) => Partial<FrontLimits>>> = {
  max_client_requests: (maxClientRequests) => ({ maxClientRequests }),
  max_client_streams: (maxClientStreams) => ({ maxClientStreams }),
  max_client_connections: (maxClientConnections) => ({ maxClientConnections }),
  min_body_rate: (minBodyRate) => ({ minBodyRate }),
  min_read_rate: (minReadRate) => ({ minReadRate }),
  held_memory_mb: (megabytes) => ({ heldBytes: megabytes * MEGABYTE }),
};

/** The names that there are. */
export const LIMIT_NAMES: readonly string[] = Object.keys(KEYS);

/** Of words like `max_client_requests=512`, the last of a name counts. Throws a Fault `usage` for what is none. */
export function readLimits(words: readonly string[]): Partial<FrontLimits> {
  return Object.assign({}, ...words.map(readLimit));
}

function readLimit(word: string): Partial<FrontLimits> {
  const [name = "", digits = "", ...more] = word.split("=");
  const key = Object.hasOwn(KEYS, name) ? KEYS[name] : undefined;
  if (key === undefined)
    throw new Fault(
      "usage",
      `--limits knows no ${JSON.stringify(name)}`,
      advice(name, LIMIT_NAMES, LIMIT_NAMES.join(", ")),
    );
  const least = name === "held_memory_mb" ? 1 : 0;
  if (more.length > 0 || !/^[0-9]{1,9}$/.test(digits) || Number(digits) < least)
    throw new Fault(
      "usage",
      `--limits ${name} is a whole number from ${least} on, not ${JSON.stringify(digits)}`,
    );
  return key(Number(digits));
}
