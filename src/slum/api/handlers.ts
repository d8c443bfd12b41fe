// The handlers of slum's admin API: each takes checked input, asks the control, and answers in the contract's shapes.
import type { z } from "zod";
import { howSeen } from "../../api/access.ts";
import { type CertificateDesk, certificateHandlers } from "../../api/certificate-operations.ts";
import { followRows, map } from "../../api/follow.ts";
import type { GiveLoginCode } from "../../api/login-link.ts";
import type { Handlers } from "../../api/server.ts";
import { tokenHandlers } from "../../api/token-operations.ts";
import type { Tokens } from "../../api/tokens.ts";
import { Fault } from "../../core/fault.ts";
import { startOf } from "../../core/since.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { webhookHandlers } from "../../webhooks/operations.ts";
import type { Control } from "../operations/control.ts";
import type { Change } from "../operations/import-plan.ts";
import type { Finding } from "../operations/servers.ts";
import type { Imported } from "../operations/transfer.ts";
import type { EventRow, TenantRow } from "../registry/schema.ts";
import type { EventFilter } from "../registry/store.ts";
import type { SlumContract } from "./contract.ts";
import { formatDocument, parseDocument } from "./document.ts";
import { historyOf } from "./history.ts";
import type { OwnHistory } from "./own-answers.ts";
import type { eventQuery, ImportView } from "./shapes.ts";
import type { View } from "./view.ts";
import { whyOf } from "./why.ts";

export interface HandlerParts {
  readonly control: Control;
  readonly view: View;
  history(): OwnHistory;
  readonly slumId: string;
  /** `slum/0.1.0`. */
  readonly product: string;
  readonly clock: Clock;
  metrics(): string;
  readonly loginCode: GiveLoginCode;
  readonly tokens: Tokens;
  /** Undefined where https is not served. */
  readonly certificates: CertificateDesk | undefined;
}

export function createHandlers(parts: HandlerParts): Handlers<SlumContract> {
  const { control, view, clock } = parts;
  const { registry, fleet, routes, servers, tenants, webhooks, transfer } = control;

  function serverOf(id: string) {
    const server = fleet.find(id);
    if (!server) throw new Fault("not_found", `there is no server ${id} any more`);
    return view.server(server);
  }

  async function withServer(id: string, finding: Promise<Finding>) {
    const { healthy, detail, trusted = null, warnings } = await finding;
    return { server: serverOf(id), healthy, detail, trusted, warnings: [...warnings] };
  }

  return {
    health: ({ peer }) => {
      const { peer: address, trusted } = howSeen(peer);
      // Which slum it is tells one that was added as its own server.
      return { status: "ok", slum: parts.slumId, ...(trusted && { peer: address, trusted }) };
    },
    status: () => view.status(),
    fleetHistory: () => historyOf({ control, view, own: parts.history(), nowMs: clock.now() }),
    listServers: () => ({ servers: view.servers() }),
    addServer({ body: { health_path: healthPath, region, ...body } }) {
      return withServer(body.id, servers.add({ ...body, region, healthPath }));
    },
    changeServer({ params, body: { health_path: healthPath, ...body } }) {
      const change = { ...body, ...(healthPath !== undefined && { healthPath }) };
      return withServer(params.id, servers.change(params.id, change));
    },
    async deleteServer({ params }) {
      await servers.remove(params.id);
      return { id: params.id, deleted: true };
    },
    async drainServer({ params, body }) {
      const changed = await servers.setDrained(params.id, body.drained);
      return { server: serverOf(params.id), changed };
    },
    checkServer: ({ params }) => withServer(params.id, servers.check(params.id)),
    listTenants({ query }) {
      if (query.server !== undefined) servers.get(query.server);
      const meant = query.unroutable ? new Set(routes.unroutable()) : undefined;
      const words = (query.search ?? "").toLowerCase().split(/\s+/).filter(Boolean);
      const isAll = query.server === undefined && meant === undefined && words.length === 0;
      const found = isAll
        ? registry.tenants.values()
        : registry.tenants.values().filter(({ id, domain, server, service }) => {
            if (query.server !== undefined && server !== query.server) return false;
            if (meant?.has(id) === false) return false;
            return words.every((word) => `${id} ${domain} ${server} ${service}`.includes(word));
          });
      // There may be a hundred thousand: of those beyond the page only the number is of interest.
      const page: TenantRow[] = [];
      let total = 0;
      for (const row of found) {
        if (total >= query.offset && page.length < query.limit) page.push(row);
        total += 1;
        if (isAll && page.length === query.limit) break;
      }
      return { tenants: page.map(view.tenant), total: isAll ? registry.tenants.size : total };
    },
    async addTenant({ body }) {
      const { row, warnings } = await tenants.add({
        ...body,
        instance: body.instance,
        failover: body.failover,
      });
      return { tenant: view.tenant(row), warnings: [...warnings] };
    },
    async deleteTenant({ params }) {
      await tenants.remove(params.id);
      return { id: params.id, deleted: true };
    },
    async moveTenant({ params, body }) {
      const { row, warnings } = await tenants.move(params.id, body.server);
      return { tenant: view.tenant(row), warnings: [...warnings] };
    },
    route({ query }) {
      const tenant = routes.tenant(query.domain);
      if (!tenant)
        throw new Fault(
          "not_found",
          `no tenant has ${query.domain}`,
          "see slum tenant list, or: slum tenant add",
        );
      return view.route(query.domain, tenant);
    },
    why: ({ query }) =>
      whyOf(
        { control, view, clock, certificates: parts.certificates, history: parts.history() },
        query.subject.toLowerCase(),
      ),
    events: async ({ query }) => ({ events: (await registry.events(filterOf(query))).map(view.event) }),
    followEvents({ query, signal }) {
      const past = query.limit === 0 ? [] : registry.events(filterOf(query));
      return map(followRows(past, registry.onEvent, isMeant(query), signal), view.event);
    },
    ...webhookHandlers({ store: registry, receivers: webhooks, program: "slum" }),
    exportRegistry: ({ query }) =>
      formatDocument(transfer.export(query.secrets), parts.product, clock.now()) as { slum_registry: number },
    async importRegistry({ body: { document, replace, dry_run: dryRun } }) {
      const read = await parseDocument(document, clock);
      return importView(await transfer.import(read, { replace, dryRun }), dryRun);
    },
    loginCode: ({ peer, principal }) => parts.loginCode(peer, principal),
    metrics: () => parts.metrics(),
    ...certificateHandlers(parts.certificates),
    ...tokenHandlers(parts.tokens, () => []),
  };

  function filterOf({ since, by: actor, ...query }: EventQuery): EventFilter {
    return { ...query, actor, sinceMs: since && startOf(since, clock.now()) };
  }
}

/** What an import has done, in numbers. */
export function importView({ changes, secrets }: Imported, dryRun: boolean): ImportView {
  const count = (kind: Change["kind"], table: Change["table"]) =>
    changes.filter((change) => change.kind === kind && change.table === table).length;
  const counts = (kind: Change["kind"]) => ({
    servers: count(kind, "servers"),
    tenants: count(kind, "tenants"),
    webhooks: count(kind, "webhooks"),
    tokens: count(kind, "tokens"),
  });
  return {
    added: counts("add"),
    replaced: counts("replace"),
    unchanged: changes.length === 0,
    dry_run: dryRun,
    secrets: [...secrets],
  };
}

type EventQuery = z.output<typeof eventQuery>;

function isMeant({ kind, by, server, tenant }: EventQuery): (row: EventRow) => boolean {
  return (row) =>
    (kind ?? row.kind) === row.kind &&
    (by ?? row.actor) === row.actor &&
    (server ?? row.server) === row.server &&
    (tenant ?? row.tenant) === row.tenant;
}
