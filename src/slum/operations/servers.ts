// What commands do to servers: each change is one transaction, and in force when it has returned.
import { Fault } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import type { Target } from "../../core/route.ts";
import type { CheckResult } from "../../platform/net/health-check.ts";
import { localAddressTowards } from "../../platform/net/local-address.ts";
import type { Resolver } from "../../platform/net/resolver.ts";
import { atMost, type Clock } from "../../platform/time/clock.ts";
import type { Upstream } from "../../proxy/http-client.ts";
import { isTenement, NO_REPORT, type SelfReport, selfReportOf } from "../fleet/ask-tenement.ts";
import type { Servers } from "../fleet/fleet.ts";
import { targetOf } from "../fleet/routes.ts";
import { parseServerUrl } from "../fleet/server-url.ts";
import { trustAdvice } from "../fleet/trust-advice.ts";
import type { Registry, Writer } from "../registry/registry.ts";
import type { ServerRow } from "../registry/schema.ts";

export interface NewServer {
  readonly id: string;
  readonly url: string;
  readonly region: string | undefined;
  readonly healthPath: string;
  readonly addressing: "header" | "host";
  readonly host: "auto" | "keep" | "server";
}

/** What is left out stays. */
export type ServerUpdate = {
  readonly [K in "url" | "healthPath" | "addressing" | "host"]?: NewServer[K] | undefined;
} & {
  readonly region?: string | null | undefined;
};

/** What one check of a server has found. */
export interface Finding {
  readonly healthy: boolean;
  readonly detail: string;
  readonly trusted: boolean | undefined;
  readonly warnings: readonly string[];
}

export interface ServerControl {
  add(server: NewServer): Promise<Finding>;
  change(id: string, update: ServerUpdate): Promise<Finding>;
  remove(id: string): Promise<void>;
  /** False when it was so already. */
  setDrained(id: string, drained: boolean): Promise<boolean>;
  check(id: string): Promise<Finding>;
  /** The row, or a not_found fault that names those that there are. */
  get(id: string): ServerRow;
}

export interface ServerControlParts {
  readonly registry: Registry;
  readonly fleet: Servers;
  readonly resolver: Resolver;
  readonly upstream: Upstream;
  readonly ca: string | undefined;
  readonly clock: Clock;
  /** The name by which this slum knows itself at /health, and the hosts that are its own. */
  readonly slumId: string;
  readonly domain: string;
}

const NAMES_SHOWN = 10;
const LOOKUP_MS = 2_000;

const TRUST_IT =
  "if the root of its certificate is your own: slum serve --ca FILE, or NODE_EXTRA_CA_CERTS=FILE to trust it besides the public ones";
/** A certificate that no known root vouches for; a wrong name or date is the server's to mend. */
const UNKNOWN_ROOT = /certificate not trusted: .*(verify|self.signed|issuer)/i;

function warningsOf(id: string, result: CheckResult | undefined): string[] {
  if (result === undefined || result.ok) return [];
  const failure = `${id} does not answer as it should: ${result.detail}`;
  return UNKNOWN_ROOT.test(result.detail) ? [failure, TRUST_IT] : [failure];
}

export function createServerControl(parts: ServerControlParts): ServerControl {
  const { registry, fleet, resolver } = parts;

  function get(id: string): ServerRow {
    const row = registry.servers.get(id);
    if (row) return row;
    const known = [...registry.servers.keys()].slice(0, NAMES_SHOWN).join(", ");
    const hint = known === "" ? `add it: slum server add ${id} https://...` : `there are ${known}`;
    throw new Fault("not_found", `there is no server ${quote(id)}`, hint);
  }

  /** Refuses what cannot be registered, before anything is asked or written. */
  function refuse(server: NewServer): void {
    const { id } = server;
    const known = registry.servers.get(id);
    if (known)
      throw new Fault(
        "conflict",
        `there is a server ${id} already, ${known.url}`,
        `to give it another URL: slum server set ${id} --url ${server.url}`,
      );
    refuseValues(server);
  }

  function refuseValues({ id, url, addressing, host }: Omit<NewServer, "region">): void {
    if (addressing === "host" && host === "keep")
      throw new Fault(
        "usage",
        "a server that is told by its Host what to serve cannot be sent the visitor's",
        "choose one: --addressing header --host keep, or --addressing host",
      );
    const same = [...registry.servers.values()].find((row) => row.url === url && row.id !== id);
    if (same) throw new Fault("conflict", `${url} is server ${same.id} already`, "one server has one URL");
    const { host: name } = parseServerUrl(url);
    if (name === parts.domain && name !== "localhost")
      throw new Fault("conflict", `${url} is this slum itself`, "give the URL of a tenement");
  }

  /** Waits a moment for DNS; a name that is not found is the checks' to report. */
  function resolved(url: string): Promise<void> {
    return atMost(parts.clock, LOOKUP_MS, resolver.watch(parseServerUrl(url).host));
  }

  /** A name that no server has would be looked up for ever. */
  function forgetName(url: string): void {
    const { host } = parseServerUrl(url);
    const isNeeded = [...registry.servers.values()].some((row) => parseServerUrl(row.url).host === host);
    if (!isNeeded) resolver.unwatch(host);
  }

  async function askItself(id: string): Promise<SelfReport> {
    const server = fleet.find(id);
    const target = targetOfServer(id);
    return server && target ? selfReportOf(parts, server, target) : NO_REPORT;
  }

  async function check(id: string): Promise<Finding> {
    const row = get(id);
    await resolved(row.url);
    const [result, report] = await Promise.all([fleet.check(id), askItself(id)]);
    if (result?.ok) await fleet.probeHost(id);
    return {
      healthy: result?.ok ?? false,
      detail: result?.detail ?? "it was deleted meanwhile",
      trusted: report.trusted,
      warnings: [...warningsOf(id, result), ...(await objectionsTo(id, report))],
    };
  }

  /** Warnings that follow from what a tenement says about us at /health. */
  async function objectionsTo(id: string, report: SelfReport): Promise<string[]> {
    const { peer, trusted, selector, slum } = report;
    if (slum !== undefined)
      return [`${id} is ${slum === parts.slumId ? "this slum itself" : "a slum"}, not a tenement`];
    const stranger = trusted === undefined && selector === undefined && (await isStranger(id));
    const own = stranger && peer === undefined ? await ownAddress(id) : undefined;
    const advice = trustAdvice(id, report, stranger, own);
    return advice === undefined ? [] : [advice];
  }

  /** Whether it is a tenement that tells this slum nothing, as it tells those that are in none of its lists. */
  async function isStranger(id: string): Promise<boolean> {
    const target = targetOfServer(id);
    return target !== undefined && isTenement(parts, target).catch(() => false);
  }

  async function ownAddress(id: string): Promise<string | undefined> {
    const address = targetOfServer(id)?.address;
    return address && localAddressTowards(address.host, address.port);
  }

  function targetOfServer(id: string): Target | undefined {
    const server = fleet.find(id);
    const isKnown = server && resolver.address(server.url.host) !== undefined;
    return isKnown ? targetOf(server, { resolver, ca: parts.ca }) : undefined;
  }

  async function unlessItself(id: string, undo: (writer: Writer) => void): Promise<void> {
    if ((await askItself(id)).slum !== parts.slumId) return;
    const { url } = get(id);
    await registry.write(undo);
    throw new Fault("conflict", `${url} is this slum itself`, "give the URL of a tenement");
  }

  function refuseUsed(id: string): void {
    const users = [...registry.tenants.values()].filter(
      ({ server, failover }) => server === id || failover?.includes(id),
    );
    if (users.length === 0) return;
    const names = users.slice(0, NAMES_SHOWN).map((tenant) => tenant.id);
    const more = users.length > names.length ? ` and ${users.length - names.length} more` : "";
    throw new Fault(
      "conflict",
      `server ${id} is used by ${users.length === 1 ? "tenant" : "tenants"} ${names.join(", ")}${more}`,
      `move them first: slum tenant move ${names[0]} OTHER-SERVER`,
    );
  }

  return {
    get,
    check,
    async add(server) {
      refuse(server);
      await resolved(server.url);
      const now = parts.clock.now();
      const row = await registry
        .write((writer) => {
          refuse(server);
          const { region = null, ...more } = server;
          const status = { drained: false, status: "unknown" as const, statusAt: now, createdAt: now };
          writer.event("server.added", { server: server.id }, server.url);
          return writer.servers.add({ ...more, region, ...status });
        })
        .catch((thrown) => {
          forgetName(server.url);
          throw thrown;
        });
      // Asked when it is known how to reach it, and taken back before it can take a request of a tenant.
      await unlessItself(row.id, (writer) => writer.servers.remove(row));
      return check(row.id);
    },
    async change(id, update) {
      const before = get(id);
      const change = given(update);
      const next = { ...before, ...change };
      refuseValues(next);
      await resolved(next.url);
      const names = Object.entries(change).map(([name, value]) => `${name} ${value ?? "none"}`);
      await registry.write((writer) => {
        const row = get(id);
        refuseValues({ ...row, ...change });
        writer.event("server.changed", { server: id }, names.join(", "));
        // What was found out about it was found out about another address.
        writer.servers.change(row, { ...change, ...(next.url !== row.url && { keepsHost: null }) });
      });
      await unlessItself(id, (writer) => writer.servers.change(get(id), before));
      return check(id);
    },
    async remove(id) {
      await registry.write((writer) => {
        const row = get(id);
        refuseUsed(id);
        writer.event("server.deleted", { server: id }, row.url);
        writer.servers.remove(row);
      });
    },
    setDrained: (id, drained) =>
      registry.write((writer) => {
        const row = get(id);
        if (row.drained === drained) return false;
        writer.event(drained ? "server.drained" : "server.undrained", { server: id }, "");
        writer.servers.change(row, { drained });
        return true;
      }),
  };
}

/** Without what is left out. */
function given(update: ServerUpdate): Partial<ServerRow> {
  return Object.fromEntries(Object.entries(update).filter(([, value]) => value !== undefined));
}
