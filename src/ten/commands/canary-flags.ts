// The flags of a judged canary: each a wish for its plan, and what of them goes to the server.
import { choice, number, option, type Read, readNumber, type Values } from "../../cli/argument.ts";
import { durationMs } from "../../core/duration.ts";
import { Fault } from "../../core/fault.ts";
import {
  checkProbe,
  checkSteps,
  LEAST_COPIES,
  MOST_COPIES,
  ON_FAIL,
  REJECTIONS,
  type WishDocument,
} from "../../core/judge/plan.ts";
import { quote } from "../../core/quote.ts";
import { parseWeight } from "../../core/weight.ts";

/** `90s`, `10m`, in seconds; a bare 0 is none. */
export const readSpan: Read<number> = (text, label) => {
  const ms = text === "0" ? 0 : durationMs(text);
  if (ms !== undefined) return ms / 1000;
  throw new Fault("usage", `${label} is ${quote(text)}`, "write a time such as 90s, 2m or 1h");
};

const readEvery: Read<number> = (text, label) => {
  const seconds = readSpan(text, label);
  if (seconds >= 0.1) return seconds;
  throw new Fault("usage", `${label} is ${quote(text)}`, "a step takes its time: write 60s, or leave it out");
};

const readPoints: Read<number> = (text, label) => {
  const points = Number(/^(\d+(?:\.\d+)?)\s*%?$/.exec(text)?.[1]);
  if (points >= 0.1 && points <= 50) return points;
  const hint = "write how many points more errors are to be ruled out, 0.1% to 50%: --notice 1%";
  throw new Fault("usage", `${label} is ${quote(text)}`, hint);
};

const readFactor: Read<number> = (text, label) =>
  readNumber(text.replace(/x$/, ""), label, { min: 1.1, max: 100, decimals: 2 });

const readSteps: Read<readonly number[]> = (text) =>
  checkSteps(text.split(",").map((step) => parseWeight(step.trim().replace(/\s*%$/, ""), "step"))).map(
    (step) => step / 100,
  );

export const canaryFlags = {
  steps: option("The canary's shares in percent; chosen by the traffic unless given", {
    hint: "5,25,50",
    read: readSteps,
  }),
  every: option("How long each step lasts at least; 60s unless given", { hint: "SPAN", read: readEvery }),
  notice: option("How many points more errors are ruled out before it goes on", {
    hint: "N%",
    read: readPoints,
  }),
  maxSlower: option("How much slower it may be; 1.19x unless given", { hint: "1.4x", read: readFactor }),
  within: option("How long all of it may take, for what is chosen; 10m unless given", {
    hint: "SPAN",
    read: readSpan,
  }),
  limit: option("After this it is held for you to decide; six times --within unless given", {
    hint: "SPAN",
    read: readSpan,
  }),
  bake: option("How long the old version stays warm at the end; 10m unless given", {
    hint: "SPAN",
    read: readSpan,
  }),
  shadowFirst: number("Before its first share, so many requests are copied to it, and no visitor is on it", {
    min: LEAST_COPIES,
    max: MOST_COPIES,
  }),
  probe: option("For quiet services: both versions are asked for this path once a second besides", {
    hint: "/PATH",
    read: (text: string) => checkProbe(text),
  }),
  "4xx": choice("What a 4xx that it gives too often leads to; hold unless given", REJECTIONS),
  onFail: choice("What becomes of it when it is taken back; stop unless given", ON_FAIL),
} as const;

type CanaryValues = Values<typeof canaryFlags>;

/** What was given of them, as the API has it. */
export function wishesIn(args: CanaryValues): WishDocument {
  const wishes = {
    steps: args.steps,
    every: args.every,
    notice: args.notice,
    max_slower: args.maxSlower,
    within: args.within,
    limit: args.limit,
    bake: args.bake,
    shadow_first: args.shadowFirst,
    probe: args.probe,
    rejections: args["4xx"],
    on_fail: args.onFail,
  };
  return Object.fromEntries(Object.entries(wishes).filter(([, value]) => value !== undefined));
}

/** The first of them that was given, as it is written. */
export function canaryFlagIn(args: CanaryValues): string | undefined {
  const given = Object.keys(canaryFlags).find((key) => args[key as keyof CanaryValues] !== undefined);
  return given && `--${given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
