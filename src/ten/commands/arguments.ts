// Arguments that several of ten's commands take, each written once.
import { flag, option, type Read, seconds, word, words } from "../../cli/argument.ts";
import { Fault } from "../../core/fault.ts";
import {
  type InstanceName,
  isLabel,
  isService,
  parseInstance,
  parseLabel,
  parseService,
} from "../../core/name.ts";
import { quote } from "../../core/quote.ts";
import { parseWeight } from "../../core/weight.ts";

export const readService: Read<string> = (text) => {
  refuseInstance(text, "service");
  return parseService(text);
};
export const readLabel: Read<string> = (text, label) => {
  refuseInstance(text, "id");
  return parseLabel(text, label.replace(/^--/, ""));
};
export const readInstance: Read<InstanceName> = (text) => parseInstance(text);
/** Checked here and kept as written: the server turns it into hundredths. */
export const readWeight: Read<number> = (text) => parseWeight(text) / 100;

export const service = word("The service", { read: readService, names: "service" });
export const instance = word("The instance, as service:id", {
  hint: "service:id",
  read: readInstance,
  names: "running",
});
export const stopped = words("The instances, as service:id", {
  hint: "service:id",
  names: "stopped",
  read: readInstance,
  required: true,
});
export const force = flag("Do it all the same");
export const weight = option("Percent of the traffic, 0 to 100, at most two decimals", {
  hint: "N",
  read: readWeight,
});
export const version = option("The version; its id unless given", { hint: "V", read: readLabel });
export const timeout = seconds("Seconds to wait for health; the service's startup_timeout unless given", {
  hint: "S",
  min: 0.1,
  max: 86_400,
  decimals: 3,
});

/** `api:v2`, as everything shows it, where only `api` or only `v2` belongs. */
function refuseInstance(text: string, part: keyof InstanceName): void {
  if (!text.includes(":")) return;
  const meant = parseInstance(text)[part];
  throw new Fault(
    "usage",
    `${quote(text)} is an instance, and here belongs its ${part} alone`,
    `write ${quote(meant)}`,
  );
}

/** `api v2` is `api:v2`, where an instance belongs. */
export function joinInstance(words: readonly string[]): readonly string[] {
  const [service = "", id, ...rest] = words;
  const isApart = id !== undefined && isService(service) && isLabel(id);
  return isApart ? [`${service}:${id}`, ...rest] : words;
}

/** `api` or `api:v2`: a service, and an id when there is one. */
export interface Subject {
  readonly service: string;
  readonly id: string | undefined;
}

export const readSubject: Read<Subject> = (text) =>
  text.includes(":") ? parseInstance(text) : { service: parseService(text), id: undefined };

/** One instance, a version, or all of a service. */
export const subject = word(
  "The instance or the version as service:id, or the service for all of its instances",
  {
    hint: "service[:id]",
    read: readSubject,
    names: "running",
  },
);

/** The instance that `api:v2`, or `api` with an id from a flag, names. */
export function theInstance(
  { service: name, id }: Subject,
  flagged: string | undefined,
  flagName: string,
): InstanceName {
  if (id !== undefined && flagged !== undefined && id !== flagged) {
    throw new Fault(
      "usage",
      `${name}:${id} and ${flagName} ${flagged} name different instances`,
      "give one of them",
    );
  }
  const found = id ?? flagged;
  if (found !== undefined) return { service: name, id: found };
  throw new Fault("usage", `which instance of ${name}?`, `write ${name}:v1, or ${name} ${flagName} v1`);
}
