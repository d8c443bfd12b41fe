// Where one is on the page, kept in its address: Back goes back, and a link leads others to the same view.
import { useEffect, useState } from "preact/hooks";

export interface Address {
  /** What the address says; undefined when it does not. */
  of(name: string): string | undefined;
  /** Undefined takes a name out. `replace` makes no step that Back would go to: for what is being typed. */
  go(change: Readonly<Record<string, string | undefined>>, how?: "push" | "replace"): void;
}

/** Every part of a page that asks is drawn again when the address changes. */
const CHANGED = "ten-address";

export function useAddress(): Address {
  const [search, setSearch] = useState(location.search);
  useEffect(() => {
    const read = () => setSearch(location.search);
    for (const event of ["popstate", CHANGED]) addEventListener(event, read);
    return () => {
      for (const event of ["popstate", CHANGED]) removeEventListener(event, read);
    };
  }, []);
  return {
    of: (name) => new URLSearchParams(search).get(name) ?? undefined,
    go(change, how = "push") {
      const next = searchAfter(location.search, change);
      if (next === location.search) return;
      const address = `${location.pathname}${next}`;
      if (how === "push") history.pushState(null, "", address);
      else history.replaceState(null, "", address);
      dispatchEvent(new Event(CHANGED));
    },
  };
}

/** The query of an address after a change; empty when nothing is left in it. */
function searchAfter(search: string, change: Readonly<Record<string, string | undefined>>): string {
  const params = new URLSearchParams(search);
  for (const [name, value] of Object.entries(change)) {
    if (value === undefined || value === "") params.delete(name);
    else params.set(name, value);
  }
  // Names of instances are easier to read as they are written.
  const text = params.toString().replaceAll("%3A", ":");
  return text === "" ? "" : `?${text}`;
}
