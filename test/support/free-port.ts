// A port of one's own, for processes that cannot be told to take any.
import { choosePort, readEphemeral } from "../../src/platform/net/ports.ts";

/** Beside the 20000-29999 of instances. */
const RANGE = { first: 30_000, last: 65_535 };

const given = new Set<number>();

/**
 * Outside of what the system hands out to connections and to whoever asks for any port, as those would take it before its
 * process listens; and no other file of tests gets it as long as this one lasts, also none of another run: each port has a
 * name that one process of the machine can listen on.
 */
export async function freePort(): Promise<number> {
  const ephemeral = readEphemeral();
  for (;;) {
    const port = choosePort({ range: RANGE, taken: given, chance: Math.random(), ephemeral });
    given.add(port);
    if (isOurs(port)) return port;
  }
}

function isOurs(port: number): boolean {
  if (process.platform !== "linux") return true;
  try {
    Bun.listen({ unix: `\0ten-test-port-${port}`, socket: { data() {} } }).unref();
    return true;
  } catch {
    return false;
  }
}
