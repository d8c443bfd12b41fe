// Which events are told to the receivers of webhooks, as what, and which of them begin and end something.

import { instanceName } from "../../core/name.ts";
import { CERTIFICATE_ENDS } from "../../webhooks/kinds.ts";

/** What an event is to who waits for trouble: its beginning, its end, or something that happened and is over. */
type Role = "begins" | "ends" | "tells";

const KINDS = {
  "instance.failed": "begins",
  "instance.recovered": "ends",
  "service.unroutable": "begins",
  "service.routable": "ends",
  "deploy.failed": "tells",
  "deploy.done": "tells",
  "rollout.started": "tells",
  "rollout.advanced": "tells",
  "rollout.held": "tells",
  "rollout.resumed": "tells",
  "rollout.promoted": "tells",
  "rollout.rolled_back": "tells",
  "rollout.replaced": "tells",
  "rollout.taken_over": "tells",
  "disk.low": "begins",
  "disk.ok": "ends",
  "certificate.expiring": "begins",
  "certificate.renewed": "ends",
  "canary.forgotten": "begins",
  "canary.settled": "ends",
} as const satisfies Record<string, Role>;

export type AlertType = keyof typeof KINDS;

/** The types of messages that a receiver can ask for. */
export const ALERT_TYPES = Object.keys(KINDS) as readonly AlertType[];

interface Told {
  readonly service: string;
  readonly instance: string | null;
  readonly kind: string;
  readonly detail: string;
}

/** What an event is told as: that a certificate is another one, or gone, ends what was said of its end. */
export function typeOf(kind: string): string {
  return CERTIFICATE_ENDS.has(kind) ? "certificate.renewed" : kind;
}

/** Undefined: nobody outside is told. */
export function roleOf(kind: string): Role | undefined {
  if (Object.hasOwn(KINDS, kind)) return KINDS[kind as AlertType];
  // That it was looked at once more is no news.
  return kind.startsWith("rollout.") && kind !== "rollout.looked" ? "tells" : undefined;
}

/** What begins and ends by it, as `alerts` calls it; a certificate is the first word of the detail. */
export function thingOf({ kind, service, instance, detail }: Told): string {
  const [family = kind] = kind.split(".", 1);
  if (family === "certificate") return `certificate ${detail.split(" ", 1)[0]}`;
  const name = instance === null ? service : instanceName(service, instance);
  return name === "" ? family : `${family} ${name}`;
}

/** One sentence for people; of a failed deploy also what was found out. */
export function alertText({ kind, service, instance, detail }: Told): string {
  const name = instance === null ? service : instanceName(service, instance);
  switch (kind) {
    case "instance.failed":
      return `${name} has failed: ${detail}`;
    case "instance.recovered":
      return `${name} ${detail}`;
    case "service.unroutable":
      return `${name} has no healthy instance: ${detail}`;
    case "service.routable":
      return `${name} ${detail}`;
    case "deploy.failed":
      return `the deploy of ${name} has failed: ${detail}`;
    case "deploy.done":
    case "disk.low":
    case "disk.ok":
      return detail;
    case "certificate.expiring":
    case "certificate.renewed":
      return `certificate of ${detail}`;
    default:
      return `${name}: ${detail}`;
  }
}
