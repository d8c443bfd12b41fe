// Copies of requests to a version that takes no traffic yet: who gets them, what they led to, and what the judge makes of it.
import { Fault } from "../../../core/fault.ts";
import { NO_EVIDENCE, type Tally, type Tick, take } from "../../../core/judge/evidence.ts";
import { percent } from "../../../core/judge/words.ts";
import { addShadows, noShadows, type ShadowCounts } from "../../../core/shadow/shadow-counts.ts";
import type { RolloutRow, ShadowRow } from "../../registry/registry.ts";
import type { Copies } from "../../routing/routes.ts";
import { type Context, requireKnown, rulesOf } from "../context.ts";

export interface Shadows extends Disposable {
  /** Those that go on or the last, with what has been counted since it was last written. */
  find(service: string): ShadowRow | undefined;
  /** Copies `sample` (0 to 1) of a service's requests to a version, from now on; whatever was copied before ends. */
  begin(service: string, version: string, sample: number): Promise<ShadowTold>;
  end(service: string): Promise<ShadowTold>;
  /** What has been counted of the copies that a rollout begins with, since it was last asked. */
  takeTick(service: string): Tick | undefined;
}

export interface ShadowTold {
  readonly service: string;
  readonly changed: boolean;
  readonly message: string;
}

const LOOK_EVERY_MS = 200;
/** What is not written is lost with the process: a few copies. */
const WRITE_EVERY_MS = 10_000;
const HALF = 0.5;

export function createShadows(context: Context): Shadows {
  return new ShadowRunner(context);
}

/** Whether copies are made: until somebody ends them, or the rollout that they are the first of goes on. */
export function isCopying(row: ShadowRow | undefined, rollout: RolloutRow | undefined): row is ShadowRow {
  if (row === undefined || row.endedAt !== null) return false;
  return row.rollout === null || (rollout?.seq === row.rollout && rollout.state.phase === "shadow");
}

/** What routes are told of it. */
export function copiesOf(context: Context, service: string): Copies | undefined {
  const { registry } = context;
  const row = registry.shadows.get(service);
  if (!isCopying(row, registry.rollouts.get(service))) return undefined;
  const { run, to, sample } = row;
  return { run, to, sample, withCookies: rulesOf(context, service).shadowCookies };
}

/** Copies that a rollout begins with, of all requests. */
export function firstCopies(
  service: string,
  { seq, canary, stable }: RolloutRow,
  startedAt: number,
): ShadowRow {
  return fresh({ service, to: canary, from: stable, sample: 1, startedAt, rollout: seq });
}

function fresh(about: Omit<ShadowRow, "run" | "endedAt" | "counts" | "evidence">): ShadowRow {
  const run = crypto.randomUUID().slice(0, 8);
  return { ...about, run, endedAt: null, counts: noShadows(about.service, run), evidence: NO_EVIDENCE };
}

class ShadowRunner implements Shadows {
  readonly #context: Context;
  readonly #rows = new Map<string, ShadowRow>();
  /** By service, what a rollout has not been told of. */
  readonly #untold = new Map<string, ShadowCounts>();
  readonly #stop: () => void;
  #writtenAtMs: number;

  constructor(context: Context) {
    this.#context = context;
    this.#writtenAtMs = context.clock.monotonic();
    this.#stop = context.clock.every(LOOK_EVERY_MS, () => this.#look());
  }

  find(service: string): ShadowRow | undefined {
    const known = this.#context.registry.shadows.get(service);
    const counted = this.#rows.get(service);
    if (known === undefined || counted?.run !== known.run) return known;
    return { ...known, counts: counted.counts, evidence: counted.evidence };
  }

  async begin(service: string, version: string, sample: number): Promise<ShadowTold> {
    const { registry, routes, clock } = this.#context;
    requireKnown(this.#context, service);
    const rollout = registry.rollouts.get(service);
    if (rollout?.state.phase === "shadow")
      throw new Fault(
        "conflict",
        `the rollout of ${rollout.canary} begins with copies, which go on: ${rollout.text}`,
        `see: ten shadow ${service}`,
      );
    const from = this.#versionsBeside(service, version);
    const row = fresh({ service, to: version, from, sample, startedAt: clock.now(), rollout: null });
    const what = `${percent(sample)} of GET and HEAD are copied to ${version} and ${from}`;
    await registry.write((writer) => {
      writer.setShadow(row);
      writer.event(service, null, "shadow", what);
    });
    await routes.publish();
    return { service, changed: true, message: what };
  }

  async end(service: string): Promise<ShadowTold> {
    const { registry, routes, clock } = this.#context;
    requireKnown(this.#context, service);
    const row = this.find(service);
    const rollout = registry.rollouts.get(service);
    if (!isCopying(row, rollout))
      return { service, changed: false, message: `nothing to do: no requests of ${service} are copied` };
    if (row.rollout !== null)
      throw new Fault(
        "conflict",
        `the rollout of ${row.to} begins with copies`,
        `ten promote ${service} | ten abort ${service} ends it`,
      );
    await registry.write((writer) => {
      writer.setShadow({ ...row, endedAt: clock.now() });
      writer.event(service, null, "shadow", "off");
    });
    await routes.publish();
    return { service, changed: true, message: `no requests of ${service} are copied any more` };
  }

  takeTick(service: string): Tick | undefined {
    const counts = this.#untold.get(service);
    this.#untold.delete(service);
    return counts === undefined ? undefined : tickOf(counts);
  }

  [Symbol.dispose](): void {
    this.#stop();
    this.#write();
  }

  /** The versions that take the traffic besides one that runs. */
  #versionsBeside(service: string, version: string): string {
    const rows = this.#context.registry.list(service).filter(({ desired }) => desired === "running");
    const of = (isMeant: (row: (typeof rows)[number]) => boolean) => rows.filter(isMeant);
    if (of((row) => row.version === version).length === 0)
      throw new Fault(
        "not_found",
        `no instance of ${service} runs version ${version}`,
        `start it without traffic: ten deploy ${service} --version ${version}`,
      );
    const others = of((row) => row.version !== version && row.weight > 0);
    if (others.length === 0)
      throw new Fault(
        "conflict",
        `no other version of ${service} takes traffic, so there is nothing to compare ${version} with`,
        `deploy the next one beside it: ten deploy ${service} --version V`,
      );
    return [...new Set(others.map((row) => row.version))].join(" and ");
  }

  #look(): void {
    const { registry, routes, clock } = this.#context;
    for (const counts of routes.takeShadows()) this.#add(counts);
    for (const service of this.#rows.keys()) if (!registry.shadows.has(service)) this.#rows.delete(service);
    if (this.#rows.size > 0 && clock.monotonic() - this.#writtenAtMs >= WRITE_EVERY_MS) this.#write();
  }

  #add(counts: ShadowCounts): void {
    const { registry, clock } = this.#context;
    const service = counts.route;
    const row = this.find(service);
    // What comes late belongs to copies that have ended, or to an earlier run.
    if (row?.run !== counts.run || !isCopying(row, registry.rollouts.get(service))) return;
    const seconds = Math.max(0, (clock.now() - row.startedAt) / 1000);
    const evidence = take(row.evidence, tickOf(counts), undefined, seconds);
    this.#rows.set(service, { ...row, counts: addShadows(row.counts, counts), evidence });
    if (row.rollout === null) return;
    const untold = this.#untold.get(service);
    this.#untold.set(service, untold?.run === counts.run ? addShadows(untold, counts) : counts);
  }

  #write(): void {
    this.#writtenAtMs = this.#context.clock.monotonic();
    for (const [service, row] of this.#rows) {
      const known = this.#context.registry.shadows.get(service);
      if (known?.run === row.run && known.counts !== row.counts)
        this.#context.registry.observeShadow({ ...known, counts: row.counts, evidence: row.evidence });
    }
  }
}

/** Each copy goes to both, so that the share is a half; what both fail says nothing about either. */
function tickOf({ pairs, failed, rejected }: ShadowCounts): Tick {
  const tally = (side: "canary" | "stable"): Tally => ({
    answers: pairs,
    errors: failed[side],
    rejections: rejected[side],
    buckets: [],
  });
  return { canary: tally("canary"), stable: tally("stable"), share: HALF };
}
