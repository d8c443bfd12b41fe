// The environment variables of this process: the only place that reads them.

export type Environment = Readonly<Record<string, string | undefined>>;

/** A copy as of now; an empty value is an unset one, as people mean it. */
export function readEnvironment(): Environment {
  return Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== ""));
}

/** Everything as it is, empty values too: what children inherit. */
export function inheritedEnvironment(): Environment {
  return { ...process.env };
}
