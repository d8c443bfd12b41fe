// What is wrong with an instance: everything that can be seen of it now and was seen of it lately, and the cause that follows.
import { statfsSync } from "node:fs";
import type { z } from "zod";
import type { CertificateDesk } from "../../api/certificate-operations.ts";
import { bracketed } from "../../core/host.ts";
import { type InstanceName, instanceName } from "../../core/name.ts";
import { DEPLOY_FAILED, type InstanceFacts, probableCause } from "../../core/probable-cause.ts";
import { readProcess } from "../../platform/process/proc.ts";
import type { TrafficHistory } from "../../proxy/traffic-history.ts";
import { differingKeys } from "../config/release.ts";
import { hasPort } from "../config/service.ts";
import type { Control } from "../operations/control.ts";
import type { EventRow, InstanceRow } from "../registry/registry.ts";
import type { Whereabouts } from "../supervisor/whereabouts.ts";
import { comparisonOf, servingOf } from "./comparison.ts";
import { type Address, protocolOf } from "./port-protocol.ts";
import { answersOf } from "./proxy-answers.ts";
import type { InstanceView, whyAnswer } from "./shapes.ts";
import { commandAgainst, newestOf } from "./trouble.ts";
import type { View } from "./view.ts";

type WhyView = z.infer<typeof whyAnswer>;

export interface WhyParts {
  readonly control: Control;
  readonly view: View;
  /** Undefined where https is not served. */
  readonly certificates: CertificateDesk | undefined;
  hostsOf(service: string): readonly string[];
  readonly history: TrafficHistory;
  now(): number;
}

const SERVES: ReadonlySet<string> = new Set(["well", "no_traffic"]);
/** Shown, and looked at: some runtimes write a hundred lines about one error. */
const OUTPUT_LINES = 20;
const READ_LINES = 200;
const STATES = 10;
const CHANGES = 10;
const HOUR_MS = 3_600_000;
const ANSWER_MS = 2_000;
const BODY_CHARS = 200;
/** What is left behind is ended, and told, around the time that its end is. */
const LEFTOVER_MS = 60_000;
/** What an instance goes through by itself. */
const STATE_KINDS: ReadonlySet<string> = new Set([
  "starting",
  "healthy",
  "unhealthy",
  "draining",
  "sleeping",
  "stopped",
  "failed",
  "exit",
]);

/** `isOwn`: for a tenant, who sees nothing of other instances. */
export async function whyOf(
  parts: WhyParts,
  { service, id }: InstanceName,
  isOwn: boolean,
): Promise<WhyView> {
  const { control, view } = parts;
  const row = control.registry.get(service, id);
  const shown = view.one(service, id);
  const { run: routed, latest } = control.supervisor.of(row);
  // While a successor is on its way, or has failed, what it is to follow is the one that visitors meet.
  const run = routed ?? latest;
  const isAlive = run?.exit === undefined && run?.process.alive() === true;
  const whereabouts = isAlive ? control.supervisor.whereabouts(row, run) : undefined;
  const listeners = whereabouts?.listening;
  const listening = listeners ? [...new Set(listeners.map(({ port }) => port))] : null;
  const check = run?.lastCheck;
  const needsLook = isAlive && run !== undefined && check?.ok === false && row.port !== null;
  const at = addressOf(whereabouts);
  const answer = needsLook && at ? await lookAt(control, row.service, at) : null;
  const isOpen = whereabouts !== undefined && whereabouts.misplaced === undefined;
  const speaks = needsLook && isOpen && at && answer === null ? await protocolOf(at) : null;
  const written = await control.logs.lastOutput({ service, id }, READ_LINES).catch(() => []);
  // Colours are not what it says.
  const output = written.map((line) => Bun.stripANSI(line));
  const limitMb = row.release?.memory_limit_mb;
  const facts: InstanceFacts = {
    name: instanceName(service, id),
    state: row.state,
    reason: row.reason,
    isAlive,
    lastExit: run?.exit ?? row.lastExit,
    lastCheck: check?.detail ?? null,
    checkPassed: check?.ok ?? row.state === "healthy",
    answer,
    hasPort: hasPort(row.release),
    misplaced: misplacedIn(whereabouts),
    speaks,
    isSuspended: isAlive && run !== undefined && readProcess(run.process.pid)?.suspended === true,
    background: backgroundOf(control, row),
    failedDeploy: failedDeployOf(control, row),
    cpuPercent: shown.cpu_percent,
    output,
    memoryBytes: shown.memory_bytes,
    memoryLimitBytes: limitMb === undefined ? null : limitMb * 1024 * 1024,
    diskFreeBytes: freeBytes(control.config().settings.dataDir),
    weight: row.weight / 100,
    errorPercent: shown.error_percent,
    requests: shown.requests,
    p95Ms: shown.p95_ms,
    remedy: commandAgainst(service, newestOf(servingOf(control.registry.list(service))), row.version),
    worse: isOwn ? null : worseOf(parts, row),
  };
  const answered = toAnswer(parts, row, shown, { ...facts, listening }, isOwn);
  // Of an instance nothing may be wrong, and visitors do not come to it all the same.
  const failing = answered.certificates.find(({ is_well: isWell }) => !isWell);
  if (failing === undefined || !SERVES.has(answered.cause.kind)) return answered;
  const hint = `ten why ${failing.name} looks at it; ten cert list has all`;
  return { ...answered, cause: { kind: "certificate", text: failing.text, evidence: null, hint } };
}

function toAnswer(
  { control, certificates, hostsOf, history, now }: WhyParts,
  row: InstanceRow,
  shown: InstanceView,
  facts: InstanceFacts & { readonly listening: readonly number[] | null },
  isOwn: boolean,
): WhyView {
  const { service, id } = row;
  const { registry } = control;
  const cause = probableCause(facts);
  const own = registry.events({ service, limit: 2_000 }).filter((event) => event.instance === id);
  const recent = registry.events({ service, sinceMs: now() - HOUR_MS, limit: 2_000 });
  const before = isOwn ? undefined : lastGood(registry.list(service), row);
  const isSeen = (event: EventRow) => isChange(event) && (!isOwn || event.instance === id);
  return {
    id: facts.name,
    instance: facts.name,
    service,
    version: row.version,
    state: row.state,
    reason: row.reason,
    since: new Date(row.stateAt).toISOString(),
    cause: { kind: cause.kind, text: cause.text, evidence: cause.evidence, hint: cause.hint },
    certificates: isOwn ? [] : (certificates?.of(hostsOf(service)) ?? []),
    states: own
      .filter(({ kind }) => STATE_KINDS.has(kind))
      .slice(-STATES)
      .map(toHappened),
    last_check: facts.lastCheck,
    check_passed: facts.checkPassed,
    answer: facts.answer && { status: facts.answer.status, body: facts.answer.body },
    last_exit: facts.lastExit,
    port: row.port,
    listening: facts.listening && [...facts.listening],
    memory_bytes: facts.memoryBytes,
    memory_limit_bytes: facts.memoryLimitBytes,
    disk_free_bytes: facts.diskFreeBytes,
    restarts: row.restarts,
    error_percent: shown.error_percent,
    error_window_secs: shown.error_window_secs,
    proxy_answers: isOwn ? { window_secs: 0, reasons: [], windows: [] } : answersOf(history, service),
    output: facts.output.slice(-OUTPUT_LINES),
    differs_from: before ? { id: instanceName(service, before.id), keys: differences(row, before) } : null,
    differs_from_file: [...shown.differs],
    changes: recent.filter(isSeen).slice(-CHANGES).map(toHappened),
    commands: commandsFor(facts, cause.kind, row),
  };
}

/** As the verdict on its service says it. */
function worseOf({ control, history }: WhyParts, row: InstanceRow): InstanceFacts["worse"] {
  const found = comparisonOf(history, row.service, control.registry.list(row.service));
  if (found.worse !== row.version || row.weight === 0) return null;
  return { kind: found.trouble === "slow" ? "slow" : "errors", text: found.text };
}

/** The last deployed of the others that is healthy: what worked. */
function lastGood(rows: readonly InstanceRow[], row: InstanceRow): InstanceRow | undefined {
  return rows
    .filter((one) => one.version !== row.version && one.state === "healthy" && one.deployed < row.deployed)
    .toSorted((a, b) => b.deployed - a.deployed)[0];
}

/** Of the environment only the names. */
function differences({ release }: InstanceRow, before: InstanceRow): string[] {
  return release && before.release ? differingKeys(before.release, release) : [];
}

/** Somebody's doing, or what a deploy came to. */
function isChange({ actor, kind }: EventRow): boolean {
  return actor !== null || kind === "deploy.failed" || kind === "reload";
}

function toHappened({ at, kind, instance, detail, actor }: EventRow) {
  const [text = ""] = detail.split("\n");
  return { at: new Date(at).toISOString(), kind, id: instance, text, by: actor };
}

/** The two or three to try. */
function commandsFor(
  { name, state, isAlive, errorPercent, weight, worse, remedy }: InstanceFacts,
  kind: string,
  { service, version }: InstanceRow,
): string[] {
  if (kind === "stopped") return [`ten spawn ${name} --weight 0`, `ten logs ${name}`];
  if (kind === "well" || kind === "no_traffic" || kind === "sleeping")
    return [`ten top ${service}`, `ten logs ${name} -f`];
  if (state === "stopped")
    return [`ten logs ${name} --since 1h`, `ten deploy ${service} --version ${version}`];
  return [
    `ten logs ${name} --since 1h`,
    ...(isAlive ? [`ten health ${name}`] : [`ten restart ${name}`]),
    ...(weight > 0 && (errorPercent > 0 || worse !== null || !isAlive) ? [remedy] : []),
  ];
}

function misplacedIn(whereabouts: Whereabouts | undefined): InstanceFacts["misplaced"] {
  if (whereabouts?.misplaced === undefined) return null;
  const { misplaced: kind, text, hint } = whereabouts;
  return { kind, text, hint };
}

/** Where it is asked. */
function addressOf(whereabouts: Whereabouts | undefined): Address | undefined {
  const [, host = "", port = ""] = /^(.*):(\d+)$/.exec(whereabouts?.asked ?? "") ?? [];
  return port === "" ? undefined : { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
}

/** What its last end found of it in the background. */
function backgroundOf({ registry }: Control, { service, id, stateAt }: InstanceRow): string | null {
  const left = registry
    .events({ service, kind: "leftover", sinceMs: stateAt - LEFTOVER_MS, limit: 200 })
    .findLast(({ instance }) => instance === id);
  return left?.detail ?? null;
}

/** What was found out about its deploy, when it is stopped since that failed. */
function failedDeployOf({ registry }: Control, row: InstanceRow): InstanceFacts["failedDeploy"] {
  if (row.state !== "stopped" || row.reason !== DEPLOY_FAILED) return null;
  const found = registry
    .events({ service: row.service, kind: "deploy.failed", limit: 2_000 })
    .findLast(({ instance }) => instance === row.id || instance === row.version);
  const [text = "", hint = ""] = found?.detail.split("\n") ?? [];
  const all = `ten logs ${instanceName(row.service, row.id)} has all of its output`;
  return found
    ? { text, hint: hint === "" || /^(?:last |it listens on|its last)/.test(hint) ? all : hint }
    : null;
}

/** Asks the health path itself: a check keeps no body. Null when there is no answer. */
async function lookAt(
  control: Control,
  service: string,
  { host, port }: Address,
): Promise<InstanceFacts["answer"]> {
  const path = control.config().services.get(service)?.health.path;
  if (path === undefined) return null;
  try {
    const asked = { proxy: false, redirect: "manual", signal: AbortSignal.timeout(ANSWER_MS) } as RequestInit;
    const response = await fetch(`http://${bracketed(host)}:${port}${path}`, asked);
    const { value } = (await response.body?.getReader().read()) ?? {};
    const text = new TextDecoder().decode(value ?? new Uint8Array());
    return { status: response.status, body: text.replace(/\s+/g, " ").trim().slice(0, BODY_CHARS) };
  } catch {
    return null;
  }
}

function freeBytes(path: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    return null;
  }
}
