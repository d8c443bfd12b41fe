// A load as services have it: people who come back, some of whom always fail, bots in a fixed order, bursts, bad minutes.
import type { Mark } from "../../src/core/sticky.ts";
import { normal, poisson, type Random } from "./chance.ts";

/** One request, and how it would go whoever answers it. */
export interface Request {
  readonly path: string;
  readonly fails: boolean;
  readonly ms: number;
  readonly visitor: Visitor | undefined;
}

export interface Visitor {
  /** Where a cookie keeps it. */
  mark: Mark | undefined;
  /** Its own data are broken: whatever it asks for fails. */
  readonly isBroken: boolean;
}

/** What comes in each second, from second 0 on. */
export type Load = (second: number) => readonly Request[];

const PATHS = [
  "/",
  "/items",
  "/search",
  "/cart",
  "/login",
  "/api/stock",
  "/image",
  "/checkout",
  "/report",
  "/feed",
];
/** One path of ten fails now and then, in every version. */
const FRAGILE = "/search";

export function createLoad(random: Random, perSecond: number): Load {
  const people: Visitor[] = Array.from({ length: 60 }, () => visitor(random));
  const bots = [2, 4, 10].map((things) => ({ things, at: Math.floor(random() * things) }));
  let isBad = false;

  function request(path: string, from: Visitor | undefined): Request {
    const base = isBad ? 0.3 : path === FRAGILE ? 0.05 : 0.002;
    const slow = (isBad ? 4 : 1) * (path === "/report" ? 20 : 1);
    return {
      path,
      fails: from?.isBroken === true || random() < base,
      ms: 15 * slow * Math.exp(0.8 * normal(random)),
      visitor: from,
    };
  }

  return (second) => {
    if (second % 60 === 0) isBad = random() < 0.05;
    const requests: Request[] = [];
    for (let left = poisson(random, perSecond * 0.6); left > 0; left--) {
      // One of fifty is new, and takes the place of one who does not come any more.
      const place = Math.floor(random() * people.length);
      if (random() < 0.02) people[place] = visitor(random);
      requests.push(request(pathOf(random), people[place]));
    }
    for (const bot of bots)
      for (let left = poisson(random, perSecond * 0.1); left > 0; left--) {
        bot.at = (bot.at + 1) % bot.things;
        requests.push(request(PATHS[(bot.at + 2) % PATHS.length] ?? "/", undefined));
      }
    if (random() < 0.01) {
      const path = pathOf(random);
      for (let left = perSecond * 5; left > 0; left--) requests.push(request(path, undefined));
    }
    return requests;
  };
}

function visitor(random: Random): Visitor {
  return { mark: undefined, isBroken: random() < 0.01 };
}

/** Some are asked for far more often than others. */
function pathOf(random: Random): string {
  return PATHS[Math.floor(random() ** 2 * PATHS.length)] ?? "/";
}

const LINE = /^\S+ \S+ \S+ \[([^\]]+)\] "\S+ ([^ "]+)[^"]*" (\d{3}) /;
const TIME = /^(\d{2})\/(\w{3})\/(\d{4}):(\d{2}:\d{2}:\d{2}) ([+-]\d{2})(\d{2})$/;

/** An access log in the combined format, from a random place on and around. Times to answer are not in it, so all are the same. */
export function readLog(text: string, random: Random): { readonly load: Load; readonly perSecond: number } {
  const seconds = new Map<number, Request[]>();
  for (const line of text.split("\n")) {
    const [, time = "", path = "", status = ""] = LINE.exec(line) ?? [];
    const at = secondOf(time);
    if (at === undefined) continue;
    const fails = Number(status) >= 500;
    const list = seconds.get(at) ?? [];
    seconds.set(at, [...list, { path, fails, ms: 20, visitor: undefined }]);
  }
  const [first, last] = [Math.min(...seconds.keys()), Math.max(...seconds.keys())];
  const span = last - first + 1;
  const offset = Math.floor(random() * span);
  const count = [...seconds.values()].reduce((sum, { length }) => sum + length, 0);
  return { load: (second) => seconds.get(first + ((offset + second) % span)) ?? [], perSecond: count / span };
}

function secondOf(time: string): number | undefined {
  const [, day, month, year, clock, hours, minutes] = TIME.exec(time) ?? [];
  if (day === undefined) return undefined;
  return Date.parse(`${day} ${month} ${year} ${clock} ${hours}:${minutes}`) / 1000;
}
