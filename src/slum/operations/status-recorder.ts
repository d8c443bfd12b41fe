// Writes what checks have changed about servers into the registry: kept until they are written, and many at once, as a thousand servers may fall together.
import type { Clock } from "../../platform/time/clock.ts";
import type { Server } from "../fleet/server.ts";
import type { Registry, Writer } from "../registry/registry.ts";

export interface StatusRecorder extends Disposable {
  /** The server has another status than before its last check. */
  record(server: Server): void;
  /** The server is sent another Host than before its last probe. */
  recordHost(server: Server): void;
}

export interface StatusRecorderParts {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly slumId: string;
  readonly onDefect: (thrown: unknown) => void;
}

/** A server as a check has left it. */
interface Change {
  readonly server: Server;
  readonly at: number;
  readonly what: "status" | "host";
}

const RETRY_EVERY_MS = 1_000;
/** In one transaction. */
const AT_ONCE = 50;
/** While the registry is away; the oldest go first. */
const KEPT_MAX = 10_000;

export function createStatusRecorder(parts: StatusRecorderParts): StatusRecorder {
  const { registry, clock, slumId, onDefect } = parts;
  const unwritten = new Set<Change>();
  let isWriting = false;
  const stop = clock.every(RETRY_EVERY_MS, () => {
    if (registry.trouble === undefined) writeSoon();
  });

  function writeSoon(): void {
    if (!isWriting && unwritten.size > 0) void writeAll().catch(onDefect);
  }

  async function writeAll(): Promise<void> {
    isWriting = true;
    try {
      while (unwritten.size > 0) {
        const some = [...unwritten].slice(0, AT_ONCE);
        const isWritten = await registry.tryWrite((writer) => {
          for (const change of some)
            if (change.what === "host") writeHost(writer, change.server);
            else writeStatus(writer, change);
          return true;
        });
        if (isWritten !== true) return;
        for (const change of some) unwritten.delete(change);
      }
    } finally {
      isWriting = false;
    }
  }

  function writeStatus(writer: Writer, { server, at }: Change): void {
    const { status } = server.standing;
    const { latencyMs = null, lastError = null, lastErrorAt = null } = server;
    const row = registry.servers.get(server.id);
    if (row) writer.servers.change(row, { status, statusAt: at, latencyMs, lastError, lastErrorAt });
    writer.event(`server.${status}`, { server: server.id }, `${server.detail ?? ""}${seenBy()}`, at);
  }

  function writeHost(writer: Writer, { id, keepsHost }: Server): void {
    const row = registry.servers.get(id);
    if (row && row.keepsHost !== keepsHost) writer.servers.change(row, { keepsHost });
  }

  function add(server: Server, what: Change["what"]): void {
    unwritten.add({ server, at: clock.now(), what });
    for (const oldest of unwritten) {
      if (unwritten.size <= KEPT_MAX) break;
      unwritten.delete(oldest);
    }
    writeSoon();
  }

  /** Where several slums write events, each says whose observation it is. */
  function seenBy(): string {
    return registry.otherSlums.length === 0 ? "" : `, seen by slum ${slumId.slice(0, 8)}`;
  }

  return {
    record: (server) => add(server, "status"),
    recordHost: (server) => add(server, "host"),
    [Symbol.dispose]: stop,
  };
}
