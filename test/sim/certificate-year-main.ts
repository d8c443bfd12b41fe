// `bun run sim:certificates [NAMES [DAYS]]`: a year of 10,000 names, in orders a day and CPU.
import { DOWN, liveThroughYear } from "./certificate-year.ts";

const names = Number(process.argv[2] ?? 10_000);
const DAYS = Number(process.argv[3] ?? 365);
const began = performance.now();
const year = await liveThroughYear(names, DAYS, Math.random);
const steady = year.perDay.slice(year.completeOnDay + 1);
const lines = [
  `${names} names, ${DAYS} days, the authority down from day ${DOWN.from} to ${DOWN.to}; took ${Math.round((performance.now() - began) / 1000)} s`,
  `all had a certificate on day ${year.completeOnDay}; days with an expired one: ${year.daysWithout}`,
  `orders: ${year.perDay.reduce((sum, one) => sum + one, 0)}, at most ${Math.max(...year.perDay)} a day and ${year.mostInThreeHours} in three hours; afterwards ${Math.max(...steady)} a day at most`,
  `orders for names that are nobody's: ${year.ordersForStrangers} of ${DAYS * 24} asked`,
  `CPU: ${year.cpuSeconds.toFixed(1)} s in the year, ${((year.cpuSeconds / (DAYS * 86_400)) * 100).toFixed(5)} % of a core`,
  `events: ${[...year.events].map(([kind, count]) => `${kind} ${count}`).join(", ")}`,
];
process.stdout.write(`${lines.join("\n")}\n`);
