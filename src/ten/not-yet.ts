// What tenement.toml already has a key for and this version cannot do: refused, so that no setting is silently without effect.
import type { Document, ServiceDocument } from "./document.ts";
import type { Problem } from "./problem.ts";

interface Pending<T> {
  readonly key: keyof T & string;
  /** The value that works, as it is to be written; undefined: the key has to be left out. */
  readonly works: string | undefined;
  readonly asked: (table: T) => boolean;
}

/** Delete a line when its feature lands. */
const SETTINGS: readonly Pending<Document["settings"]>[] = [
  { key: "workers", works: "1, one proxy process inside ten serve", asked: ({ workers }) => workers !== 1 },
];

const SERVICE: readonly Pending<ServiceDocument>[] = [];

export function notYet(document: Document): Problem[] {
  const services = Object.entries(document.service);
  return [
    ...pending(SETTINGS, document.settings, ["settings"]),
    ...services.flatMap(([name, service]) => pending(SERVICE, service, ["service", name])),
  ];
}

function pending<T>(table: readonly Pending<T>[], values: T, path: readonly string[]): Problem[] {
  return table
    .filter(({ asked }) => asked(values))
    .map(({ key, works }) => ({
      path: [...path, key],
      message: `not in this version yet: ${works === undefined ? "leave it out" : `write ${works}`}`,
    }));
}
