// The last servers, tenants and addresses on disk: what slum starts with while its registry cannot be reached.
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { messageOf } from "../../core/fault.ts";
import { type Clock, sleep } from "../../platform/time/clock.ts";
import type { RoutingRows } from "./registry.ts";
import type { ServerRow, TenantRow } from "./schema.ts";

export interface Snapshot extends RoutingRows {
  /** Of names, as they were resolved last. */
  readonly addresses: Readonly<Record<string, string>>;
  /** When it was written, on the wall clock. */
  readonly savedAt: number;
  /** Of which registry it is, without a password; undefined in those of older versions. */
  readonly registry?: string | undefined;
}

export interface SnapshotKeeper extends Disposable {
  /** Something has changed: the snapshot is written soon, many changes at once. */
  changed(): void;
  /** When it was written last; undefined when there is none. */
  readonly savedAt: number | undefined;
}

const SOON_MS = 1_000;
const ROWS_AT_ONCE = 1_000;
/** What rows of older versions do not say. */
const OLDER: Pick<ServerRow, "host" | "keepsHost" | "lastErrorAt"> = {
  host: "auto",
  keepsHost: null,
  lastErrorAt: null,
};

/** The snapshot at `path`; undefined when there is none, or none that can be read, which is told to `onTrouble`. */
export function readSnapshot(path: string, onTrouble: (text: string) => void): Snapshot | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const [head = "", ...lines] = readFileSync(path, "utf8").trimEnd().split("\n");
    const { savedAt, addresses, servers, tenants, registry } = JSON.parse(head) as {
      savedAt: number;
      addresses: Record<string, string>;
      servers: number;
      tenants?: number;
      registry?: string;
    };
    const rows = lines.map((line) => JSON.parse(line) as object);
    if (rows.length < servers || (tenants !== undefined && rows.length !== servers + tenants))
      throw new Error(`it has ${rows.length} rows and says ${servers + (tenants ?? 0)}`);
    return {
      savedAt,
      addresses,
      registry,
      servers: rows.slice(0, servers).map((row) => ({ ...OLDER, ...row })) as ServerRow[],
      tenants: rows.slice(servers) as TenantRow[],
    };
  } catch (thrown) {
    onTrouble(`the snapshot ${path} is damaged and not used: ${messageOf(thrown)}`);
    return undefined;
  }
}

/** Writes what `read` answers; a disk that does not take it is told to `onTrouble` and tried again with the next change. */
export function keepSnapshot(
  path: string,
  clock: Clock,
  read: () => Omit<Snapshot, "savedAt">,
  onTrouble: (text: string) => void,
  before: Snapshot | undefined,
): SnapshotKeeper {
  let cancel: (() => void) | undefined;
  let isWriting = false;
  let isStale = false;
  let isDisposed = false;
  let savedAt = before?.savedAt;

  /** A piece at a time, so that a hundred thousand tenants do not hold up the traffic. */
  async function write(): Promise<void> {
    const { servers, tenants, addresses, registry } = read();
    const draft = `${path}.new`;
    const file = openSync(draft, "w", 0o600);
    try {
      const now = clock.now();
      writeSync(
        file,
        `${JSON.stringify({ savedAt: now, addresses, registry, servers: servers.length, tenants: tenants.length })}\n`,
      );
      const rows = [...servers, ...tenants];
      for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
        const lines = rows.slice(at, at + ROWS_AT_ONCE).map((row) => `${JSON.stringify(row)}\n`);
        writeSync(file, lines.join(""));
        await sleep(clock, 1);
        if (isDisposed) return rmSync(draft, { force: true });
      }
      fsyncSync(file);
      renameSync(draft, path);
      savedAt = now;
    } finally {
      closeSync(file);
    }
  }

  function changed(): void {
    isStale = true;
    if (cancel || isWriting || isDisposed) return;
    cancel = clock.after(SOON_MS, () => {
      cancel = undefined;
      isWriting = true;
      isStale = false;
      write()
        .catch((thrown) => onTrouble(`the snapshot could not be written: ${messageOf(thrown)}`))
        .finally(() => {
          isWriting = false;
          if (isStale) changed();
        });
    });
  }

  return {
    changed,
    get savedAt() {
      return savedAt;
    },
    [Symbol.dispose]() {
      isDisposed = true;
      cancel?.();
    },
  };
}
