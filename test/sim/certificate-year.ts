// A year of certificates by a clock that is moved by hand: many names at once, renewals, a month without an authority, names that nobody has.
import type { AcmeProblem } from "../../src/certificates/acme/problem.ts";
import { Holds } from "../../src/certificates/holds.ts";
import { type CertificateEvent, createCertificateManager } from "../../src/certificates/manager.ts";
import type { Clock } from "../../src/platform/time/clock.ts";
import { createMemoryStore } from "../support/memory-store.ts";
import { AUTHORITY, createScriptedAuthorities } from "../support/scripted-authority.ts";

const DAY = 86_400_000;
const HOUR = DAY / 24;

export interface Year {
  /** Orders on each day, tries included. */
  readonly perDay: readonly number[];
  /** The most in any three hours. */
  readonly mostInThreeHours: number;
  /** The first day on which every name had one. */
  readonly completeOnDay: number;
  /** Days on which some name, once it had one, had none that was valid. */
  readonly daysWithout: number;
  /** CPU of all of it but the making of certificates, which an authority does. */
  readonly cpuSeconds: number;
  readonly ordersForStrangers: number;
  readonly events: ReadonlyMap<CertificateEvent["kind"], number>;
}

/** What looks each minute looks each half hour here, or a year would take an hour. */
const LOOK_MS = 1_800_000;
/** When all that was ordered first is to be renewed the authority is down, for a month. */
export const DOWN = { from: 50, to: 80 };

export async function liveThroughYear(names: number, days: number, chance: () => number): Promise<Year> {
  let now = 1_700_000_000_000;
  const clock: Clock = { now: () => now, monotonic: () => now, after: () => () => {}, every: () => () => {} };
  const authorities = createScriptedAuthorities(clock.now);
  const events = new Map<CertificateEvent["kind"], number>();
  const ours = Array.from({ length: names }, (_, index) => `www.customer${index}.test`);
  const known = new Set(ours);
  let making = 0;
  const holds = new Holds(createMemoryStore(), clock);
  authorities.heldUntil = () => holds.of(AUTHORITY)?.until;
  const { issue } = authorities;
  authorities.issue = async function (this: typeof authorities, wish) {
    await wish.beforeOrder("");
    const before = process.cpuUsage();
    try {
      const issued = await issue.call(this, { ...wish, beforeOrder: async () => {} });
      await holds.answered(AUTHORITY);
      return issued;
    } catch (thrown) {
      await holds.failed(AUTHORITY, wish.name, thrown as AcmeProblem);
      throw thrown;
    } finally {
      const { user, system } = process.cpuUsage(before);
      making += user + system;
    }
  };
  const manager = await createCertificateManager({
    store: createMemoryStore(),
    authorities,
    clock,
    random: chance,
    isOurs: (name) => known.has(name),
    onEvent: ({ kind }) => events.set(kind, (events.get(kind) ?? 0) + 1),
    onChange: () => {},
  });
  const began = process.cpuUsage();
  manager.want(ours);
  const perHour: number[] = [];
  let completeOnDay = -1;
  let daysWithout = 0;
  for (let day = 0; day < days; day++) {
    authorities.failure =
      day >= DOWN.from && day < DOWN.to ? { type: "unreachable", detail: "down" } : undefined;
    for (let hour = 0; hour < 24; hour++) {
      const before = authorities.asked.length;
      for (const end = now + HOUR; now < end; ) {
        now += LOOK_MS;
        await manager.tick();
        await new Promise((turn) => setImmediate(turn));
      }
      perHour.push(authorities.asked.length - before);
      await manager.demand(`stranger${day}-${hour}.test`, 0);
    }
    const lives = manager.list().flatMap(({ record }) => record.certificate?.life ?? []);
    if (completeOnDay < 0 && lives.length === names) completeOnDay = day;
    if (lives.some(({ notAfter }) => notAfter <= clock.now())) daysWithout++;
  }
  manager[Symbol.dispose]();
  const { user, system } = process.cpuUsage(began);
  const sum = (some: readonly number[]) => some.reduce((all, one) => all + one, 0);
  return {
    perDay: Array.from({ length: days }, (_, day) => sum(perHour.slice(day * 24, day * 24 + 24))),
    mostInThreeHours: Math.max(...perHour.map((_, hour) => sum(perHour.slice(hour, hour + 3)))),
    completeOnDay,
    daysWithout,
    cpuSeconds: (user + system - making) / 1e6,
    ordersForStrangers: authorities.asked.filter((name) => name.startsWith("stranger")).length,
    events,
  };
}
