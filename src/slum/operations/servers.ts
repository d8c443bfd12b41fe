// What commands do to servers: each change is one transaction, and in force when it has returned.
import { Fault } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import { atMost } from "../../platform/time/clock.ts";
import { parseServerUrl } from "../fleet/server-url.ts";
import type { Registry, Writer } from "../registry/registry.ts";
import type { ServerRow } from "../registry/schema.ts";
import { ServerQuestions, type ServerQuestionsParts } from "./server-questions.ts";

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
  /** Whether it lets this slum say what to serve, as far as it tells. */
  heedsUs(id: string): Promise<boolean>;
  /** The row, or a not_found fault that names those that there are. */
  get(id: string): ServerRow;
}

export interface ServerControlParts extends ServerQuestionsParts {
  readonly registry: Registry;
  /** The own host, which no server can have. */
  readonly domain: string;
}

const NAMES_SHOWN = 10;
const LOOKUP_MS = 2_000;

export function createServerControl(parts: ServerControlParts): ServerControl {
  return new ServersInRegistry(parts);
}

class ServersInRegistry implements ServerControl {
  readonly #parts: ServerControlParts;
  readonly #questions: ServerQuestions;

  constructor(parts: ServerControlParts) {
    this.#parts = parts;
    this.#questions = new ServerQuestions(parts);
  }

  get(id: string): ServerRow {
    const { servers } = this.#parts.registry;
    const row = servers.get(id);
    if (row) return row;
    const known = [...servers.keys()].slice(0, NAMES_SHOWN).join(", ");
    const hint = known === "" ? `add it: slum server add ${id} https://...` : `there are ${known}`;
    throw new Fault("not_found", `there is no server ${quote(id)}`, hint);
  }

  heedsUs(id: string): Promise<boolean> {
    return this.#questions.heedsUs(id);
  }

  async check(id: string): Promise<Finding> {
    const { fleet } = this.#parts;
    const row = this.get(id);
    await this.#resolved(row.url);
    const [result, report] = await Promise.all([fleet.check(id), this.#questions.report(id)]);
    if (result?.ok) await fleet.probeHost(id);
    return {
      healthy: result?.ok ?? false,
      detail: result?.detail ?? "it was deleted meanwhile",
      trusted: report.trusted,
      warnings: await this.#questions.warnings(id, result, report),
    };
  }

  async add(server: NewServer): Promise<Finding> {
    const { registry, clock } = this.#parts;
    this.#refuseNew(server);
    await this.#resolved(server.url);
    const now = clock.now();
    const row = await registry
      .write((writer) => {
        this.#refuseNew(server);
        const { region = null, ...more } = server;
        const status = { drained: false, status: "unknown" as const, statusAt: now, createdAt: now };
        writer.event("server.added", { server: server.id }, server.url);
        return writer.servers.add({ ...more, region, ...status });
      })
      .catch((thrown) => {
        this.#forgetName(server.url);
        throw thrown;
      });
    // Asked when it is known how to reach it, and taken back before it can take a request of a tenant.
    await this.#unlessItself(row.id, (writer) => writer.servers.remove(row));
    return this.check(row.id);
  }

  async change(id: string, update: ServerUpdate): Promise<Finding> {
    const before = this.get(id);
    const change = given(update);
    const next = { ...before, ...change };
    this.#refuseValues(next);
    await this.#resolved(next.url);
    const names = Object.entries(change).map(([name, value]) => `${name} ${value ?? "none"}`);
    await this.#parts.registry.write((writer) => {
      const row = this.get(id);
      this.#refuseValues({ ...row, ...change });
      writer.event("server.changed", { server: id }, names.join(", "));
      // What was found out about it was found out about another address.
      writer.servers.change(row, { ...change, ...(next.url !== row.url && { keepsHost: null }) });
    });
    await this.#unlessItself(id, (writer) => writer.servers.change(this.get(id), before));
    return this.check(id);
  }

  async remove(id: string): Promise<void> {
    await this.#parts.registry.write((writer) => {
      const row = this.get(id);
      this.#refuseUsed(id);
      writer.event("server.deleted", { server: id }, row.url);
      writer.servers.remove(row);
    });
  }

  setDrained(id: string, drained: boolean): Promise<boolean> {
    return this.#parts.registry.write((writer) => {
      const row = this.get(id);
      if (row.drained === drained) return false;
      writer.event(drained ? "server.drained" : "server.undrained", { server: id }, "");
      writer.servers.change(row, { drained });
      return true;
    });
  }

  /** Refuses what cannot be registered, before anything is asked or written. */
  #refuseNew(server: NewServer): void {
    const { id } = server;
    const known = this.#parts.registry.servers.get(id);
    if (known)
      throw new Fault(
        "conflict",
        `there is a server ${id} already, ${known.url}`,
        `to give it another URL: slum server set ${id} --url ${server.url}`,
      );
    this.#refuseValues(server);
  }

  #refuseValues({ id, url, addressing, host }: Omit<NewServer, "region">): void {
    const { registry, domain } = this.#parts;
    if (addressing === "host" && host === "keep")
      throw new Fault(
        "usage",
        "a server that is told by its Host what to serve cannot be sent the visitor's",
        "choose one: --addressing header --host keep, or --addressing host",
      );
    const same = [...registry.servers.values()].find((row) => row.url === url && row.id !== id);
    if (same) throw new Fault("conflict", `${url} is server ${same.id} already`, "one server has one URL");
    const { host: name } = parseServerUrl(url);
    if (name === domain && name !== "localhost") throw isItself(url);
  }

  #refuseUsed(id: string): void {
    const users = [...this.#parts.registry.tenants.values()].filter(
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

  async #unlessItself(id: string, undo: (writer: Writer) => void): Promise<void> {
    if (!(await this.#questions.isThisSlum(id))) return;
    const { url } = this.get(id);
    await this.#parts.registry.write(undo);
    throw isItself(url);
  }

  /** Waits a moment for DNS; a name that is not found is the checks' to report. */
  #resolved(url: string): Promise<void> {
    const { clock, resolver } = this.#parts;
    return atMost(clock, LOOKUP_MS, resolver.watch(parseServerUrl(url).host));
  }

  /** A name that no server has would be looked up for ever. */
  #forgetName(url: string): void {
    const { registry, resolver } = this.#parts;
    const { host } = parseServerUrl(url);
    const isNeeded = [...registry.servers.values()].some((row) => parseServerUrl(row.url).host === host);
    if (!isNeeded) resolver.unwatch(host);
  }
}

function isItself(url: string): Fault {
  return new Fault("conflict", `${url} is this slum itself`, "give the URL of a tenement");
}

/** Without what is left out. */
function given(update: ServerUpdate): Partial<ServerRow> {
  return Object.fromEntries(Object.entries(update).filter(([, value]) => value !== undefined));
}
