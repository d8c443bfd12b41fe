// The handlers of ten's admin API: each takes checked input, asks the control, and answers in the contract's shapes.

import type { z } from "zod";
import { howSeen } from "../../api/access.ts";
import { type CertificateDesk, certificateHandlers } from "../../api/certificate-operations.ts";
import { followRows, map } from "../../api/follow.ts";
import type { GiveLoginCode } from "../../api/login-link.ts";
import { mayUse, type Principal } from "../../api/principal.ts";
import type { Handlers } from "../../api/server.ts";
import { tokenHandlers } from "../../api/token-operations.ts";
import type { TokenRow, Tokens } from "../../api/tokens.ts";
import { Fault } from "../../core/fault.ts";
import { type InstanceName, instanceName, parseInstance } from "../../core/name.ts";
import { select } from "../../core/rollout.ts";
import { startOf } from "../../core/since.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { TrafficHistory } from "../../proxy/traffic-history.ts";
import { webhookHandlers } from "../../webhooks/operations.ts";
import type { Receivers } from "../../webhooks/receivers.ts";
import type { Control } from "../operations/control.ts";
import { foreseeRollbackTo, rollbackTo } from "../operations/rollback.ts";
import { serviceOf, type TrafficChange } from "../operations/traffic.ts";
import type { EventRow } from "../registry/registry.ts";
import { accessHandlers } from "./access-operations.ts";
import type { TenContract } from "./contract.ts";
import { toEvent, toFailedDeploy, toHistory } from "./event-view.ts";
import { createObservingHandlers } from "./observing-handlers.ts";
import { servicesOf } from "./proxy-answers.ts";
import { createRolloutHandlers } from "./rollout-handlers.ts";
import { showRollout } from "./rollout-view.ts";
import type { eventQuery, InstanceView, LastChange, RolloutView, ServiceSplit, SplitView } from "./shapes.ts";
import { createShippingHandlers } from "./shipping-handlers.ts";
import type { View } from "./view.ts";

export interface HandlerParts {
  readonly control: Control;
  readonly view: View;
  readonly history: TrafficHistory;
  /** Milliseconds since the Unix epoch. */
  now(): number;
  linkUrl(service: string, token: string): string;
  describeConfig(isShown: (service: string) => boolean): Record<string, unknown>;
  metrics(isShown: (service: string) => boolean, rollouts: readonly RolloutView[]): string;
  /** A login link for the dashboard, in parts. */
  readonly loginCode: GiveLoginCode;
  readonly tokens: Tokens;
  readonly receivers: Receivers;
  /** Where the access log is. */
  readonly accessLog: string;
  readonly clock: Clock;
  /** Undefined where https is not served. */
  readonly certificates: CertificateDesk | undefined;
  /** By which visitors come to a service. */
  hostsOf(service: string): readonly string[];
  warningsOf(row: TokenRow): readonly string[];
}

/** Whose token is for all services: what is nobody's in particular is shown to them. */
function seesAll({ tenant, services }: Principal): boolean {
  return tenant === undefined && services === undefined;
}

/** Lines of output beside each instance that has failed. */
const SHOWN_LINES = 5;
const HOUR_MS = 3_600_000;

export function createHandlers(parts: HandlerParts): Handlers<TenContract> {
  const { control, view } = parts;
  const { traffic, lifecycle, removal, deploys, registry } = control;

  const rolling = createRolloutHandlers(parts);

  /** The instance that a call names, of a service that there is, for a caller who may touch it. */
  function own(caller: Principal, name: InstanceName): InstanceName {
    requireTouch(caller, name);
    // Without the hint that names the others. And what others deploy as a tenant's version is not the tenant's.
    if (caller.tenant !== undefined && !registry.find(name.service, name.id)) throw absent(name);
    control.requireKnown(name.service);
    return name;
  }

  function requireLogs(caller: Principal, service: string | undefined): void {
    if (service === undefined) return;
    if (caller.tenant === undefined) control.requireKnown(service);
    else own(caller, { service, id: caller.tenant });
  }

  function shownLinks(isShown: (service: string) => boolean) {
    const found = control.links.list().filter(({ service }) => isShown(service));
    return found.map(({ service, id, count, until }) => {
      return { id: instanceName(service, id), count, until: new Date(until).toISOString() };
    });
  }

  async function newLink(service: string, id: string, forMs: number) {
    const token = await control.links.create(service, id, forMs);
    const until = new Date(parts.now() + forMs).toISOString();
    return { id: instanceName(service, id), url: parts.linkUrl(service, token), until };
  }

  /** For who cannot see a version without traffic otherwise. */
  async function linkAfterDeploy(service: string, id: string): Promise<string | null> {
    const row = registry.list(service).find((one) => one.version === id && one.desired === "running");
    const route = control.routes().find(({ name }) => name === service);
    if (row === undefined || row.weight > 0 || route?.policy.direct !== "preview") return null;
    return (await newLink(service, row.id, HOUR_MS)).url;
  }

  function servicesShown(isShown: (service: string) => boolean): string[] {
    const names = new Set([
      ...control.config().services.keys(),
      ...registry.list().map((row) => row.service),
    ]);
    return [...names].filter(isShown);
  }

  /** Every change of traffic is answered with the split that it led to. */
  async function withSplit<C extends TrafficChange>(change: Promise<C>) {
    const done = await change;
    return { ...done, ...splitOf(done.service), warnings: [...(done.warnings ?? [])] };
  }

  /** What has failed is shown with the last that it wrote. */
  async function withOutput(one: InstanceView): Promise<InstanceView> {
    if (one.state !== "failed") return one;
    const output = await control.logs.lastOutput(parseInstance(one.id), SHOWN_LINES).catch(() => []);
    return { ...one, last_output: [...output] };
  }

  function lastChanges(instances: readonly InstanceView[]): LastChange[] {
    const services = [...new Set(instances.map(({ service }) => service))];
    return services.flatMap((service) =>
      registry.history(service, 1).map((change) => ({ service, ...toHistory(change) })),
    );
  }

  function splitOf(service: string): ServiceSplit {
    return { service, split: view.split(service), maintenance: view.maintenance(service) };
  }

  return {
    health: ({ peer }) => ({ status: "ok", ...howSeen(peer) }),
    async listInstances({ query, principal }) {
      const instances = view
        .list(query.service)
        .filter((one) => mayTouch(principal, one.service, one.id.slice(one.service.length + 1)));
      const isShown = (service: string) =>
        principal.tenant === undefined
          ? (query.service ?? service) === service && mayUse(principal, service)
          : instances.some((one) => one.service === service);
      const shown: InstanceView[] = [];
      // One after the other: each takes a descriptor, which visitors need as well.
      for (const one of instances) shown.push(await withOutput(one));
      return {
        instances: shown,
        maintenance: view.underMaintenance().filter(({ service }) => isShown(service)),
        changes: principal.tenant === undefined ? lastChanges(instances) : [],
        rollouts: principal.tenant === undefined ? rolling.underWay(isShown) : [],
        shadows: principal.tenant === undefined ? rolling.shadows(isShown) : [],
        links: principal.tenant === undefined ? shownLinks(isShown) : [],
        certificates: seesAll(principal) ? [...(parts.certificates?.trouble() ?? [])] : [],
        services:
          principal.tenant === undefined
            ? servicesOf(parts.history, registry.list(), servicesShown(isShown))
            : [],
      };
    },
    async spawn({ body, principal }) {
      requireTouch(principal, { service: body.service, id: body.id });
      const { service, id } = body;
      const known = registry.find(service, id);
      // What its siblings have says nothing about a tenant's part.
      const isTenant = principal.tenant !== undefined;
      const weight = body.weight ?? (isTenant ? (known?.weight ?? 0) : undefined);
      const version = body.version ?? (isTenant ? known?.version : undefined) ?? id;
      return forCaller(principal, await withSplit(lifecycle.spawn({ service, id, version, weight })));
    },
    async stop({ params, query, principal }) {
      const { service, id } = own(principal, params.instance);
      return forCaller(principal, await withSplit(lifecycle.stop(service, [id], query.force)));
    },
    async stopAll({ body, principal }) {
      const names = body.instances.map((name) => own(principal, name));
      for (const { service, id } of names) select(serviceOf(registry.list(service), service), id);
      const byService = [...Map.groupBy(names, ({ service }) => service)];
      // Side by side, as each may take as long as its drain; all have come to their end before the first refusal is told.
      const ends = await Promise.allSettled(
        byService.map(async ([service, those]) => {
          const ids = [...new Set(those.map(({ id }) => id))];
          return forCaller(principal, await withSplit(lifecycle.stop(service, ids, body.force)));
        }),
      );
      return { changes: ends.map((end) => (end.status === "fulfilled" ? end.value : raise(end.reason))) };
    },
    async removeAll({ body, principal }) {
      const names = body.instances.map((name) => own(principal, name));
      await removal.remove(names, body.with_files);
      return { removed: names.map(({ service, id }) => instanceName(service, id)) };
    },
    async restart({ params, query, principal, signal }) {
      const { service, id } = own(principal, params.instance);
      await lifecycle.restart(service, id, { stopFirst: query.stop_first, anew: false }, signal);
      return view.one(service, id);
    },
    setShare({ params, body, signal }) {
      const { service, id } = params.instance;
      control.requireKnown(service);
      return withSplit(traffic.setShare(service, id, body.weight, { force: body.force, signal }));
    },
    link: ({ params, body }) => newLink(params.instance.service, params.instance.id, body.for_secs * 1000),
    async revokeLinks({ params }) {
      const { service, id } = params.instance;
      registry.get(service, id);
      return { id: instanceName(service, id), revoked: await control.links.revoke(service, id) };
    },
    async prune({ body }) {
      control.requireKnown(body.service);
      const { service, keep, with_files: withFiles } = body;
      return { service, ...(await removal.prune(service, keep, withFiles)) };
    },
    setWeights({ body, signal }) {
      control.requireKnown(body.service);
      const weights = new Map(Object.entries(body.weights));
      return withSplit(traffic.setRaw(body.service, weights, { force: body.force, signal }));
    },
    split({ params }) {
      control.requireKnown(params.service);
      return splitOf(params.service);
    },
    async chown({ params: { service } }) {
      return { service, ...(await control.giveFiles(service)) };
    },
    async maintenance({ params: { service }, body }) {
      return { ...(await control.maintain(service, body.on)), maintenance: view.maintenance(service) };
    },
    async deploy({ body, signal }, report) {
      const deploy = deploys.deploy(
        {
          service: body.service,
          id: body.id ?? body.version,
          version: body.version,
          weight: body.weight,
          timeoutMs: body.timeout === undefined ? undefined : body.timeout * 1000,
          instances: body.instances,
          queueMs: body.wait * 1000,
          promote: body.promote,
          stopOld: body.stop_old,
          replace: body.replace,
          ifCurrent: body.if_current,
          canary: body.canary,
        },
        (step, message) => report({ step, message }),
        signal,
      );
      const { healthyAfterMs, stopped, removed, ...change } = await withSplit(deploy);
      const rollout = body.canary === undefined ? null : rolling.rolloutOf(body.service);
      const link = await linkAfterDeploy(body.service, body.version);
      return {
        ...change,
        healthy_after_ms: Math.round(healthyAfterMs),
        stopped: [...stopped],
        removed: [...removed],
        rollout,
        link,
      };
    },
    route({ body, signal }) {
      const { service, from, to, force, wait } = body;
      control.requireKnown(service);
      return withSplit(
        traffic.route(service, from, to, { force, signal, ...(wait > 0 && { waitMs: wait * 1000 }) }),
      );
    },
    async rollback({ body, signal }) {
      control.requireKnown(body.service);
      const { service, last, to } = body;
      if (last && to !== undefined)
        throw new Fault("usage", "last and to exclude each other", "give one of them");
      if (!body.dry_run)
        return withSplit(
          to === undefined
            ? traffic.rollback(service, { last, signal })
            : rollbackTo(control, service, to, signal),
        );
      const { message, weights } =
        to === undefined
          ? traffic.foreseeRollback(service, { last })
          : foreseeRollbackTo(control, service, to);
      const split = weights ? view.foreseen(service, weights) : view.split(service);
      return { ...splitOf(service), split, message, changed: false, undo: null, warnings: [] };
    },
    async logs({ query, principal, signal }) {
      requireLogs(principal, query.service);
      return { lines: await control.logs.tail(ownLogs(principal, query), signal) };
    },
    followLogs({ query, principal, signal }) {
      requireLogs(principal, query.service);
      return control.logs.follow(ownLogs(principal, query), signal);
    },
    history({ params: { service }, query }) {
      control.requireKnown(service);
      const rows = registry.rolloutHistory(service, query.limit);
      return {
        service,
        changes: registry.history(service, query.limit).map(toHistory),
        failed_deploys: registry
          .events({ service, kind: "deploy.failed", limit: query.limit })
          .map(toFailedDeploy)
          .toReversed(),
        rollouts: rows.map((row) => showRollout(row, row.state, parts.now())),
      };
    },
    events: ({ query, principal }) => ({ events: eventsFor(principal, query).map(toEvent) }),
    followEvents({ query, principal, signal }) {
      const isMeant = (row: EventRow) => isEventMeant(principal, query, row);
      const past = query.limit === 0 ? [] : eventsFor(principal, query);
      return map(
        followRows(past, (call) => registry.onEvent(call), isMeant, signal),
        toEvent,
      );
    },
    config: ({ principal }) => parts.describeConfig((service) => mayUse(principal, service)),
    async reload({ body, signal }, report) {
      const done = await control.reload(
        body.restart_changed,
        (message) => report({ step: "restarting", message }),
        signal,
      );
      return {
        ...done,
        differences: [...done.differences],
        later: [...done.later],
        stale: [...done.stale],
        orphaned: [...done.orphaned],
        restarted: [...done.restarted],
      };
    },
    metrics: ({ principal }) =>
      parts.metrics((service) => mayUse(principal, service), rolling.rolloutsFor(principal)),
    ...createShippingHandlers(control),
    ...rolling.handlers,
    ...createObservingHandlers(parts, own),
    ...webhookHandlers({ store: registry.outbox, receivers: parts.receivers, program: "ten" }),
    ...accessHandlers({ path: parts.accessLog, clock: parts.clock, config: control.config }),
    ...certificateHandlers(parts.certificates),
    ...tokenHandlers(parts.tokens, parts.warningsOf),
    loginCode: ({ peer, principal }) => parts.loginCode(peer, principal),
  };

  function eventsFor({ services }: Principal, { since, by: actor, ...query }: EventQuery) {
    return registry.events({ ...query, services, actor, sinceMs: since && startOf(since, parts.now()) });
  }
}

type EventQuery = z.output<typeof eventQuery>;

/** The same as `eventsFor`, of an event that has just come. */
function isEventMeant(principal: Principal, { service, kind, by }: EventQuery, row: EventRow): boolean {
  return (
    (service ?? row.service) === row.service &&
    (kind ?? row.kind) === row.kind &&
    (by ?? row.actor) === row.actor &&
    mayUse(principal, row.service)
  );
}

/** A tenant is told of its own instance only. */
function forCaller<A extends { readonly split: SplitView }>({ tenant }: Principal, answer: A): A {
  if (tenant === undefined) return answer;
  const own = answer.split.filter(({ id, service }) => id === instanceName(service, tenant));
  return { ...answer, split: own, undo: null };
}

function mayTouch(caller: Principal, service: string, id: string): boolean {
  return mayUse(caller, service) && (caller.tenant === undefined || caller.tenant === id);
}

/** What a tenant may not touch does not exist for it. */
function requireTouch(caller: Principal, name: InstanceName): void {
  if (caller.tenant === undefined || mayTouch(caller, name.service, name.id)) return;
  throw absent(name);
}

function absent({ service, id }: InstanceName): Fault {
  return new Fault("not_found", `there is no instance ${instanceName(service, id)}`);
}

/** What others deploy as a tenant's version is not the tenant's. */
function ownLogs<Q extends { id?: string | undefined }>(
  caller: Principal,
  query: Q,
): Q & { exact?: true; services?: readonly string[]; principal: string } {
  const { services, name: principal } = caller;
  if (caller.tenant === undefined) return { ...query, principal, ...(services && { services }) };
  if (query.id !== undefined && query.id !== caller.tenant)
    throw new Fault("not_found", `there is no instance ${query.id}`);
  return { ...query, id: caller.tenant, exact: true, principal, ...(services && { services }) };
}

function raise(thrown: unknown): never {
  throw thrown;
}
