// What slums have seen of the servers, and how the registry keeps it.

/** One slum's last word on a server that it has checked. */
export interface Observation {
  readonly status: "online" | "offline" | "doubtful";
  /** Registry time of the first of the failed checks in a row; undefined while the last one passed. */
  readonly failingSinceMs?: number | undefined;
  readonly failures: number;
  readonly error?: string | undefined;
}

/** By server. One that was never checked is missing. */
export type Observations = ReadonlyMap<string, Observation>;

/** Another slum, and what it has seen. */
export interface OtherSlum {
  readonly id: string;
  readonly observations: Observations;
}

/** As the registry keeps them: seconds are enough, so that the text stays the same while nothing new is seen. */
export function formatObservations(observations: Observations): string {
  const words = [...observations].map(([id, { status, failingSinceMs, failures, error }]) => {
    if (status === "online" && failures === 0) return [id, null];
    const since = failingSinceMs === undefined ? undefined : Math.round(failingSinceMs / 1000);
    return [id, { status, since, failures, error }];
  });
  return JSON.stringify(Object.fromEntries(words));
}

export function parseObservations(text: string): Observations {
  const words = JSON.parse(text) as Readonly<
    Record<string, (Omit<Observation, "failingSinceMs"> & { since?: number }) | null>
  >;
  const seen = new Map<string, Observation>();
  for (const [id, word] of Object.entries(words)) {
    const { since, ...more } = word ?? { status: "online", failures: 0 };
    seen.set(id, { ...more, failingSinceMs: since === undefined ? undefined : since * 1000 });
  }
  return seen;
}
