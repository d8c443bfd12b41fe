// Addresses of names, looked up in the background: who asks never waits, and an answer is kept when DNS fails.
import { lookup as systemLookup } from "node:dns/promises";
import { isIP } from "node:net";
import { messageOf } from "../../core/fault.ts";
import type { Clock } from "../time/clock.ts";

/** All addresses of a name; rejects when there are none. */
export type Lookup = (name: string) => Promise<readonly string[]>;

export interface Resolver extends Disposable {
  /** Looks the name up from now on, at once first, and at once again while it has no address; resolves when that has ended. */
  watch(name: string): Promise<void>;
  unwatch(name: string): void;
  /** The address to use now; undefined while none was ever found. An address is its own. */
  address(name: string): string | undefined;
  /** The address failed: the next one of the name is used from now on. */
  passOver(name: string): void;
  /** Takes addresses from an earlier run, for names that have none yet. */
  remember(addresses: Readonly<Record<string, string>>): void;
  /** What is known, to be remembered. */
  known(): Record<string, string>;
  /** Why the last look-up failed; undefined when it did not. */
  error(name: string): string | undefined;
}

interface Entry {
  addresses: readonly string[];
  error: string | undefined;
  looking: Promise<void> | undefined;
}

export interface ResolverOptions {
  readonly clock: Clock;
  readonly refreshMs: number;
  readonly lookup?: Lookup;
}

export function createResolver({ clock, refreshMs, lookup = lookupAll }: ResolverOptions): Resolver {
  const entries = new Map<string, Entry>();
  const remembered = new Map<string, string>();
  const stop = clock.every(refreshMs, () => {
    for (const [name, entry] of entries) void refresh(name, entry);
  });

  /** One look-up of a name at a time: a slow answer is not asked for again. */
  function refresh(name: string, entry: Entry): Promise<void> {
    entry.looking ??= lookup(name)
      .then((found) => accept(entry, found))
      .catch((thrown) => {
        entry.error = `name not found (${(thrown as NodeJS.ErrnoException).code ?? messageOf(thrown)})`;
      })
      .finally(() => {
        entry.looking = undefined;
      });
    return entry.looking;
  }

  /** The address in use stays in use while the name still has it. */
  function accept(entry: Entry, found: readonly string[]): void {
    if (found.length === 0) return;
    entry.error = undefined;
    const [current] = entry.addresses;
    const isKept = current !== undefined && found.includes(current);
    entry.addresses = isKept ? [current, ...found.filter((one) => one !== current)] : found;
  }

  return {
    watch(name) {
      if (isIP(name) !== 0) return Promise.resolve();
      const known = entries.get(name);
      if (known?.addresses.length === 0) return refresh(name, known);
      if (known) return known.looking ?? Promise.resolve();
      const before = remembered.get(name);
      const entry: Entry = {
        addresses: before === undefined ? [] : [before],
        error: undefined,
        looking: undefined,
      };
      entries.set(name, entry);
      return refresh(name, entry);
    },
    unwatch: (name) => void entries.delete(name),
    address: (name) => (isIP(name) === 0 ? entries.get(name)?.addresses[0] : name),
    passOver(name) {
      const entry = entries.get(name);
      if (!entry) return;
      const [first, ...rest] = entry.addresses;
      if (first !== undefined) entry.addresses = [...rest, first];
    },
    remember(addresses) {
      for (const [name, address] of Object.entries(addresses)) remembered.set(name, address);
    },
    known() {
      const found = [...entries].flatMap(
        ([
          name,
          {
            addresses: [first],
          },
        ]) => (first ? [[name, first] as const] : []),
      );
      return Object.fromEntries(found);
    },
    error: (name) => entries.get(name)?.error,
    [Symbol.dispose]: stop,
  };
}

async function lookupAll(name: string): Promise<readonly string[]> {
  const found = await systemLookup(name, { all: true });
  return found.map(({ address }) => address);
}
