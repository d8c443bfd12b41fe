// Looks every second whether trouble has begun or ended, and puts what is worth a webhook into the registry and the outbox.
import type { Clock } from "../../platform/time/clock.ts";
import type { Outbox } from "../../webhooks/outbox.ts";
import { enqueue } from "../../webhooks/store.ts";
import type { Servers } from "../fleet/fleet.ts";
import type { Routes } from "../fleet/routes.ts";
import type { Server } from "../fleet/server.ts";
import type { Observations } from "../registry/observations.ts";
import type { Registry, Writer } from "../registry/registry.ts";
import type { WriteSize } from "../registry/store.ts";
import { agreedOn, fleetIf, type ServerIdentity } from "../webhooks/agreement.ts";
import { type Alert, Alerts, alertText, alsoTo, isBeginning, type Situation } from "../webhooks/alerts.ts";

export interface Announcer extends Disposable {
  /** Something may have begun or ended just now. */
  look(): void;
}

export interface AnnouncerParts {
  readonly registry: Registry;
  readonly webhooks: Outbox;
  readonly fleet: Servers;
  readonly routes: Routes;
  readonly clock: Clock;
  readonly offlineAfterMs: number;
  /** What this slum observes now. */
  readonly observe: () => Observations;
  readonly onDefect: (thrown: unknown) => void;
}

const TICK_MS = 1_000;
/** In one transaction; the others come with the next tick. */
const AT_ONCE = 100;
/** Things of one alert whose rows are written in no time. */
const FEW = 1_000;
/** How long an end is remembered, so that the same does not begin again and again. */
const MEMORY_MS = 3_600_000;

export function createAnnouncer(parts: AnnouncerParts): Announcer {
  const { registry, webhooks, fleet, routes, clock, observe, onDefect } = parts;
  const alerts = new Alerts({ offlineAfterMs: parts.offlineAfterMs });
  let isWriting = false;
  const stop = clock.every(TICK_MS, look);

  /** What those slums agree on that have looked lately; with no other one, what this one has observed. */
  function situation(): Situation {
    const views = [observe(), ...registry.otherSlums.map(({ observations }) => observations)];
    const servers = [...fleet.all()].map((server) => agreedOn(identityOf(server), views));
    const unroutable = routes.unroutable(fleetIf(servers, ({ isOffline }) => !isOffline));
    const isDoubted = servers.some(({ isOnline, isOffline }) => isOnline === isOffline);
    const unsure = isDoubted ? routes.unroutable(fleetIf(servers, ({ isOnline }) => isOnline)) : unroutable;
    return {
      nowMs: registry.now(),
      servers,
      unroutable,
      unsure,
      hasTenant: (id) => registry.tenants.has(id),
    };
  }

  function look(): void {
    const due = alerts.step(situation(), registry.alerts);
    if (isWriting || due.length === 0 || !registry.hasHeardFromAll) return;
    isWriting = true;
    // All tenants of a large server may begin or end at once.
    const isLarge = due.some(({ things }) => things.length > FEW);
    void announce(isLarge ? "many" : "few")
      .catch(onDefect)
      .finally(() => {
        isWriting = false;
      });
  }

  /**
   * Judged anew within the transaction, where nobody else can write: what another slum has begun or ended meanwhile is neither
   * begun nor ended again.
   */
  async function announce(size: WriteSize): Promise<void> {
    const announced = await registry.tryWrite((writer) => {
      const due = alerts.step(situation(), registry.alerts).slice(0, AT_ONCE);
      for (const alert of due) write(writer, alert);
      if (due.length > 0) forgetOld(writer, new Set(due.flatMap(({ things }) => things)));
      return due.length;
    }, size);
    if (announced) webhooks.kick();
  }

  /** Into the registry with what has begun or ended, and into the outbox of who wants to know. */
  function write(writer: Writer, alert: Alert): void {
    remember(writer, alert.things, isBeginning(alert.type));
    const [first = ""] = alert.things;
    const about = first.startsWith("server ") ? { server: first.slice("server ".length) } : {};
    const more = alert.things.length > 1 ? ` and ${alert.things.length - 1} more` : "";
    writer.event(`webhook.${alert.type}`, about, `${first}${more}`);
    tell(registry, writer, alert, clock.now());
  }

  /** Rows that become the same one after the other are one statement: there may be a hundred thousand. */
  function remember({ alerts: rows }: Writer, things: readonly string[], open: boolean): void {
    const change = { open, ...(open && { begunAt: Math.round(registry.now()) }) };
    for (const thing of things) {
      const known = registry.alerts.get(thing);
      if (known) rows.change(known, change);
      else rows.add({ thing, begunAt: 0, ...change });
    }
  }

  /** `but` what begins or ends just now. */
  function forgetOld(writer: Writer, but: ReadonlySet<string>): void {
    for (const row of registry.alerts.values())
      if (!row.open && registry.now() - row.begunAt > MEMORY_MS && !but.has(row.thing))
        writer.alerts.remove(row);
  }

  return { look, [Symbol.dispose]: stop };
}

/** Puts what is announced into the outbox of who wants to know. */
export function tell(
  registry: Pick<Registry, "webhooks" | "deliveries" | "now">,
  writer: Pick<Writer, "deliveries" | "event">,
  { type, data }: Pick<Alert, "type" | "data">,
  wallMs: number,
): void {
  const also = alsoTo(type);
  const message = { type, text: alertText({ type, data }), data, ...(also && { alsoTo: also }) };
  enqueue(registry, writer, message, { nowMs: registry.now(), wallMs });
}

function identityOf({ id, url, row, drained }: Server): ServerIdentity {
  return { id, url: url.origin, region: row.region ?? undefined, drained };
}
