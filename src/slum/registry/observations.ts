// What slums have seen of the servers, and how the registry keeps it.

/** One slum's last word on a server that it has checked. */
export interface Sighting {
  readonly status: "online" | "offline" | "doubtful";
  /** Registry time of the first of the failed checks in a row; undefined while the last one passed. */
  readonly failingSinceMs?: number | undefined;
  readonly failures: number;
  readonly error?: string | undefined;
}

/** By server. One that was never checked is missing. */
export type Sightings = ReadonlyMap<string, Sighting>;

/** Another slum, and what it has seen. */
export interface Peer {
  readonly id: string;
  readonly sightings: Sightings;
}

/** As the registry keeps them: seconds are enough, so that the text stays the same while nothing new is seen. */
export function writeSightings(sightings: Sightings): string {
  const words = [...sightings].map(([id, { status, failingSinceMs, failures, error }]) => {
    if (status === "online" && failures === 0) return [id, null];
    const since = failingSinceMs === undefined ? undefined : Math.round(failingSinceMs / 1000);
    return [id, { status, since, failures, error }];
  });
  return JSON.stringify(Object.fromEntries(words));
}

export function parseSightings(text: string): Sightings {
  const words = JSON.parse(text) as Readonly<
    Record<string, (Omit<Sighting, "failingSinceMs"> & { since?: number }) | null>
  >;
  const seen = new Map<string, Sighting>();
  for (const [id, word] of Object.entries(words)) {
    const { since, ...more } = word ?? { status: "online", failures: 0 };
    seen.set(id, { ...more, failingSinceMs: since === undefined ? undefined : since * 1000 });
  }
  return seen;
}
