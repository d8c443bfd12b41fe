// What is wrong with the instances, services, canaries and the disk of a server, as who waits for trouble is told. Pure.
import { instanceName } from "../../../core/name.ts";
import { formatWeight } from "../../../core/weight.ts";
import type { Service } from "../../config/service.ts";
import type { InstanceRow } from "../../registry/registry.ts";

/** `between`: neither begins nor ends anything. */
type Standing = "bad" | "between" | "good";

/** A thing that can be wrong, and how it is now. */
export interface Condition {
  /** The beginnings and ends that it has. */
  readonly begins: "instance.failed" | "service.unroutable" | "canary.forgotten" | "disk.low";
  readonly ends: "instance.recovered" | "service.routable" | "canary.settled" | "disk.ok";
  readonly service: string;
  readonly instance: string | null;
  readonly standing: Standing;
  readonly detail: string;
  /** How long it has to be bad without a break. */
  readonly holdMs: number;
}

export interface Disk {
  readonly path: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** How long an instance may answer nothing and not count as failed. */
const UNHEALTHY_MS = 60_000;
const UNROUTABLE_MS = 10_000;
/** A service that has not served yet may take its time to start. */
const FIRST_MS = 60_000;
/** A disk is nearly full below a twentieth, or below 2 GiB of a large one; and well again a fifth above that. */
const LOW_PART = 0.05;
const LOW_BYTES = 2 * 1024 ** 3;
const WELL_AGAIN = 1.2;

/** What becomes of one that is being deployed is told by its deploy. */
export function conditionOfInstance(row: InstanceRow, nowMs: number): Condition {
  const { service, id: instance, state, reason } = row;
  // A clock that was set back says nothing of how long it is; that it is long is the safer guess.
  const isLong = Math.abs(nowMs - row.stateAt) >= UNHEALTHY_MS;
  const standing: Standing =
    !row.deploying && (state === "failed" || (state === "unhealthy" && isLong))
      ? "bad"
      : state === "healthy" || state === "sleeping" || state === "stopped"
        ? "good"
        : "between";
  const exit = row.lastExit === null || reason.includes(row.lastExit) ? "" : ` (it ${row.lastExit})`;
  const well = state === "stopped" ? `is stopped: ${reason}` : "is healthy again";
  const detail = standing === "good" ? well : `${reason}${exit}`;
  return {
    begins: "instance.failed",
    ends: "instance.recovered",
    ...{ service, instance, standing, detail, holdMs: 0 },
  };
}

/** Of an instance that was removed. */
export function goneInstance(service: string, instance: string): Condition {
  return {
    begins: "instance.failed",
    ends: "instance.recovered",
    ...{ service, instance, standing: "good", detail: "is removed", holdMs: 0 },
  };
}

/** `hasServed`: whether an instance of it was healthy since the server started. */
export function conditionOfService(
  name: string,
  rows: readonly InstanceRow[],
  service: Service | undefined,
  { hasServed, isMaintained }: { readonly hasServed: boolean; readonly isMaintained: boolean },
): Condition {
  // What is stopped by command has no weight; what ended by itself keeps it.
  const members = rows.filter((row) => row.weight > 0 && !row.deploying);
  const isServed = members.some(({ state }) => state === "healthy" || state === "sleeping");
  const isMeant = service?.hasPort === true && service.schedule === undefined && !isMaintained;
  const isBad = isMeant && members.length > 0 && !isServed;
  const which = members.map((row) => `${instanceName(name, row.id)} ${row.state}, ${row.reason}`);
  const well = isServed
    ? "is served again"
    : isMaintained
      ? "is under maintenance"
      : "has no instance any more";
  return {
    begins: "service.unroutable",
    ends: "service.routable",
    service: name,
    instance: null,
    standing: isBad ? "bad" : "good",
    detail: isBad ? which.join("; ") : well,
    holdMs: hasServed ? UNROUTABLE_MS : FIRST_MS,
  };
}

/** `changedAt`: when its weights were last changed; undefined: never. */
export function conditionOfCanary(
  name: string,
  rows: readonly InstanceRow[],
  changedAt: number | undefined,
  {
    nowMs,
    afterMs,
    isJudged,
  }: { readonly nowMs: number; readonly afterMs: number; readonly isJudged: boolean },
): Condition {
  const live = rows.filter((row) => row.weight > 0 && row.desired === "running" && !row.deploying);
  const versions = [...new Set(live.map((row) => row.version))];
  const since = Math.max(changedAt ?? 0, ...live.map((row) => row.createdAt));
  const isBad = versions.length > 1 && !isJudged && afterMs > 0 && nowMs - since >= afterMs;
  const total = live.reduce((sum, row) => sum + row.weight, 0);
  const shares = versions.map((version) => {
    const own = live.filter((row) => row.version === version).reduce((sum, row) => sum + row.weight, 0);
    return `${version} ${formatWeight(Math.round((own / total) * 10_000))} %`;
  });
  const detail = `${shares.join(", ")} unchanged for ${hours(nowMs - since)}: finish it (ten route ${name} --to VERSION), or take it back (ten rollback ${name})`;
  return {
    begins: "canary.forgotten",
    ends: "canary.settled",
    service: name,
    instance: null,
    standing: isBad ? "bad" : "good",
    detail: isBad ? detail : "the split is another now",
    holdMs: 0,
  };
}

export function conditionOfDisk({ path, freeBytes, totalBytes }: Disk): Condition {
  const lowBytes = Math.min(totalBytes * LOW_PART, LOW_BYTES);
  const standing = freeBytes < lowBytes ? "bad" : freeBytes < lowBytes * WELL_AGAIN ? "between" : "good";
  const free = `${megabytes(freeBytes)} of ${megabytes(totalBytes)} MB are free where ${path} is`;
  return {
    begins: "disk.low",
    ends: "disk.ok",
    service: "",
    instance: null,
    standing,
    detail: standing === "bad" ? `the disk is nearly full: ${free}` : free,
    holdMs: 0,
  };
}

function hours(ms: number): string {
  const whole = Math.floor(ms / 3_600_000);
  return whole < 48 ? `${whole} h` : `${Math.floor(whole / 24)} days`;
}

function megabytes(bytes: number): string {
  return String(Math.floor(bytes / 1024 ** 2));
}
