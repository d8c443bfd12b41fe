// What slums observe of the servers by their checks, and how the registry stores it.

/** A server as one slum's last checks have found it. */
export interface Observation {
  readonly status: "online" | "offline" | "doubtful";
  /** Registry time of the first of the failed checks in a row; undefined while the last one passed. */
  readonly failingSinceMs?: number | undefined;
  readonly failures: number;
  readonly error?: string | undefined;
}

/** By server. One that was never checked is missing. */
export type Observations = ReadonlyMap<string, Observation>;

/** Another slum on the registry, and what it has observed. */
export interface OtherSlum {
  readonly id: string;
  readonly observations: Observations;
}

/** As the registry stores them: whole seconds, so that the text stays the same while nothing changes. */
export function formatObservations(observations: Observations): string {
  const entries = [...observations].map(([id, { status, failingSinceMs, failures, error }]) => {
    if (status === "online" && failures === 0) return [id, null];
    const since = failingSinceMs === undefined ? undefined : Math.round(failingSinceMs / 1000);
    return [id, { status, since, failures, error }];
  });
  return JSON.stringify(Object.fromEntries(entries));
}

export function parseObservations(text: string): Observations {
  const entries = JSON.parse(text) as Readonly<
    Record<string, (Omit<Observation, "failingSinceMs"> & { since?: number }) | null>
  >;
  const seen = new Map<string, Observation>();
  for (const [id, entry] of Object.entries(entries)) {
    const { since, ...more } = entry ?? { status: "online", failures: 0 };
    seen.set(id, { ...more, failingSinceMs: since === undefined ? undefined : since * 1000 });
  }
  return seen;
}
