// The environment variables of this process: the only place that reads them.

export type Environment = Readonly<Record<string, string | undefined>>;

/** A copy as of now; an empty value is an unset one, as people mean it. */
export function readEnvironment(): Environment {
  return Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== ""));
}

/** As children take it. */
export function definedIn(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** Everything as it is, empty values too: what children inherit. */
export function inheritedEnvironment(): Environment {
  return { ...process.env };
}
