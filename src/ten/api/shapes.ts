// The shapes of ten's admin API: what a field may hold on the way in, and what an answer has.
import { z } from "zod";
import { checked, checkedNumber, count } from "../../api/fields.ts";
import { proxyAnswers } from "../../api/proxy-answers.ts";
import { LEAST_COPIES, MOST_COPIES, ON_FAIL, REJECTIONS, type WishDocument } from "../../core/judge/plan.ts";
import { parseInstance, parseLabel, parseService } from "../../core/name.ts";
import { parseSince } from "../../core/since.ts";
import { parseWeight } from "../../core/weight.ts";
import type { LogLine, LogQuery } from "../logs/logs.ts";

export const service = checked((text) => parseService(text));
export const label = checked((text) => parseLabel(text));
const instance = checked(parseInstance);
/** A weight as people write it, in percent; hundredths inside. */
export const weight = checkedNumber(parseWeight);

const percent = z.number();
const weights = z.record(z.string(), percent);
const state = z.enum(["starting", "healthy", "unhealthy", "draining", "sleeping", "stopped", "failed"]);

/** The name of an instance, `api:v2`; `id` is the same, as older clients know it. */
const named = { id: z.string(), instance: z.string(), service: z.string() };

export const instanceAnswer = z.object({
  ...named,
  version: z.string(),
  state,
  health: z.enum(["healthy", "unhealthy", "unknown"]),
  reason: z.string(),
  weight: percent,
  share: percent,
  port: z.number().nullable(),
  pid: z.number().nullable(),
  uptime_secs: z.number().nullable(),
  idle_secs: z.number().nullable(),
  restarts: z.number(),
  last_exit: z.string().nullable(),
  /** In lists, of what has failed: its last lines. */
  last_output: z.array(z.string()).optional(),
  next_try_secs: z.number().nullable(),
  /** The keys in which what it was started with differs from tenement.toml as it is now; of env only the names. */
  differs: z.array(z.string()),
  /** Of what has a schedule: when it is run next. */
  next_run: z.string().nullable(),
  /** The address at which others reach it past the proxy, `0.0.0.0:20001`. */
  exposed: z.string().nullable(),
  in_flight: z.number(),
  requests: z.number(),
  errors: z.number(),
  requests_per_sec: z.number(),
  error_percent: percent,
  /** What `error_percent` and `p95_ms` are of: as long as it takes to say it, at most an hour. */
  error_window_secs: z.number(),
  p95_ms: z.number().nullable(),
  cpu_percent: z.number().nullable(),
  /** Processor time of its processes since they began. */
  cpu_secs: z.number().nullable(),
  memory_bytes: z.number().nullable(),
  url: z.string(),
  created_at: z.string(),
  /** Counts the deploys of this server: what was deployed later has the larger number. */
  deployed: z.number(),
});
export type InstanceView = z.infer<typeof instanceAnswer>;

export const splitAnswer = z.array(
  z.object({ ...named, version: z.string(), state, weight: percent, share: percent }),
);
export type SplitView = z.infer<typeof splitAnswer>;

/** Since when a service is under maintenance; null when it is not. */
const maintenance = z.string().nullable();
export const serviceSplit = { service: z.string(), split: splitAnswer, maintenance };
const serviceSplitAnswer = z.object(serviceSplit);
export type ServiceSplit = z.infer<typeof serviceSplitAnswer>;

const change = {
  ...serviceSplit,
  changed: z.boolean(),
  message: z.string(),
  undo: z.string().nullable(),
  /** What to look at, though it was done. */
  warnings: z.array(z.string()).default([]),
};
export const changeAnswer = z.object(change);

/** A plan's wishes; shares and points in percent, times in seconds. What is left out is chosen by the traffic. */
export const wishes = z.strictObject({
  steps: z.array(z.number().min(0).max(100)).max(100).readonly().optional(),
  every: z.number().min(0.1).max(86_400).optional(),
  notice: z.number().min(0.1).max(50).optional(),
  max_slower: z.number().min(1.1).max(100).optional(),
  within: z.number().min(1).max(86_400).optional(),
  limit: z.number().min(1).max(604_800).optional(),
  bake: z.number().min(0).max(604_800).optional(),
  probe: z.string().max(1_001).optional(),
  shadow_first: z.int().min(LEAST_COPIES).max(MOST_COPIES).optional(),
  rejections: z.enum(REJECTIONS).optional(),
  on_fail: z.enum(ON_FAIL).optional(),
}) satisfies z.ZodType<WishDocument>;

const planAnswer = z.object({
  steps: z.array(percent),
  every_secs: z.number(),
  notice_points: z.number(),
  max_slower: z.number(),
  bake_secs: z.number(),
  /** Copies that both versions answer before its first step; 0: none. */
  shadow_first: z.number(),
  /** A path that both are asked for once a second besides. */
  probe: z.string().nullable(),
  limit_secs: z.number(),
  rejections: z.enum(REJECTIONS),
  on_fail: z.enum(ON_FAIL),
});

const sample = z.object({ answers: z.number(), errors: z.number() });

export const rolloutAnswer = z.object({
  service: z.string(),
  /** Counts the rollouts of this server. */
  number: z.number(),
  canary: z.string(),
  stable: z.string(),
  /** What it is doing, or the last that it said. */
  text: z.string(),
  /** Null while it is under way. */
  outcome: z.enum(["promoted", "rolled_back", "taken_over", "replaced"]).nullable(),
  phase: z.enum(["shadow", "step", "bake", "look"]),
  share: percent,
  /** The place of the share among the steps, from 1; 0 while only copies are answered; beyond the last when the canary has everything. */
  step: z.number(),
  held: z
    .object({ reason: z.enum(["operator", "limit", "rejections", "failure"]), since: z.string() })
    .nullable(),
  started_at: z.string(),
  since: z.string(),
  ended_at: z.string().nullable(),
  /** What the judge's bets stand at, as so much to 1. At `bar` the canary is taken back. */
  odds: z.object({
    errors: z.number(),
    slow: z.number(),
    stalls: z.number(),
    rejections: z.number(),
    bar: z.number(),
  }),
  /** First tries on this step. */
  on_step: z.object({ canary: sample, stable: sample }),
  /** What became of the canary's errors: seen by visitors, or answered by somebody else. */
  harm: z.object({ seen: z.number(), rescued: z.number() }),
  plan: planAnswer,
  /** What copies of requests say that are made now, or that it began with. */
  shadow: z.string().nullable(),
});
export type RolloutView = z.infer<typeof rolloutAnswer>;

const both = z.object({ canary: z.number(), stable: z.number() });

/** Copies of a service's requests: those that go on, or the last that were made. */
const shadowAnswer = z.object({
  service: z.string(),
  /** The version that is looked at, and those that take the traffic. */
  to: z.string(),
  from: z.string(),
  text: z.string(),
  sample: percent,
  started_at: z.string(),
  /** Null: they go on. */
  ended_at: z.string().nullable(),
  /** The rollout that they are the first of. */
  rollout: z.number().nullable(),
  /** Requests that both answered; those that were drawn and not copied, as too many were under way; those that differ. */
  copies: z.number(),
  skipped: z.number(),
  differing: z.number(),
  /** Copies that only this one failed (no answer, or a 5xx), or rejected (4xx). */
  failed: both,
  rejected: both,
  /** What the bet on failures stands at, to 1. */
  odds: z.number(),
  /** By method and kind of path, those that differ most often first; means of milliseconds and bytes. */
  patterns: z.array(
    z.object({
      pattern: z.string(),
      copies: z.number(),
      differing: z.number(),
      ms: both,
      bytes: both,
      differences: z.array(z.object({ difference: z.string(), count: z.number() })),
    }),
  ),
});
export type ShadowView = z.infer<typeof shadowAnswer>;

export const shadowOfService = z.object({ service: z.string(), shadow: shadowAnswer.nullable() });
export const shadowTold = z.object({
  service: z.string(),
  changed: z.boolean(),
  message: z.string(),
  shadow: shadowAnswer.nullable(),
});

export const deployAnswer = z.object({
  ...change,
  instance: z.string(),
  healthy_after_ms: z.number(),
  stopped: z.array(z.string()),
  /** What older deploys had left, beyond what the service's `keep` says. */
  removed: z.array(z.string()),
  /** Where to look at a version that has no traffic yet, for an hour; null where everybody may. */
  link: z.string().nullable(),
  /** Where a canary begins. */
  rollout: rolloutAnswer.nullable(),
});

export const planned = z.object({
  service: z.string(),
  version: z.string(),
  /** `first`: nothing runs that it could be judged by; `done`: it has everything already. Then there is no plan. */
  kind: z.enum(["plan", "first", "done"]),
  stable: z.string().nullable(),
  requests_per_sec: z.number().nullable(),
  error_percent: percent.nullable(),
  plan: planAnswer.nullable(),
  /** What it promises, in sentences. */
  text: z.array(z.string()),
});

export const toldAnswer = z.object({
  service: z.string(),
  changed: z.boolean(),
  message: z.string(),
  rollout: rolloutAnswer.nullable(),
});

export const maintenanceAnswer = z.object({
  service: z.string(),
  changed: z.boolean(),
  message: z.string(),
  maintenance,
});

export const checkAnswer = z.object({
  ...named,
  healthy: z.boolean(),
  state,
  detail: z.string(),
  latency_ms: z.number(),
});

const given = z.string().nullable();
export const reloadAnswer = z.object({
  differences: z.array(z.object({ key: z.string(), before: given, after: given })),
  later: z.array(z.string()),
  stale: z.array(z.string()),
  orphaned: z.array(z.string()),
  restarted: z.array(z.string()),
});

export const logLine = z.object({
  instance: z.string(),
  stream: z.enum(["stdout", "stderr"]),
  at: z.string().nullable(),
  text: z.string(),
  base64: z.string().optional(),
}) satisfies z.ZodType<LogLine>;
export const event = z.object({
  seq: z.number(),
  at: z.string(),
  service: z.string(),
  /** `api:v2`, and its id alone. */
  instance: z.string().nullable(),
  id: z.string().nullable(),
  kind: z.string(),
  detail: z.string(),
  /** On whose behalf (the name of a token, the user at the socket), from where, by which operation; null: ten by itself. */
  by: z.string().nullable(),
  from: z.string().nullable(),
  operation: z.string().nullable(),
  /** Of traffic: the weights of the service's instances by id, in percent. */
  before: weights.nullable(),
  after: weights.nullable(),
});
export type EventView = z.infer<typeof event>;

/** Of what a build holds, however it was packed. */
export const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, "not sha256: and 64 hexadecimal digits");
const shipped = { version: z.string(), digest: z.string(), bytes: z.number(), entries: z.number() };
export const shippedAnswer = z.object({
  service: z.string(),
  ...shipped,
  /** False when that very content was there already. */
  new: z.boolean(),
  seconds: z.object({ unpack: z.number(), setup: z.number() }),
});
export const releasesAnswer = z.object({
  service: z.string(),
  limits: z.object({ max_bytes: z.number(), max_entries: z.number() }),
  releases: z.array(
    z.object({
      ...shipped,
      at: z.string(),
      by: z.string().nullable(),
      /** The instances that are of it, stopped ones too. */
      in_use: z.array(z.string()),
    }),
  ),
});

export const historyEntry = z.object({
  at: z.string(),
  command: z.string(),
  by: z.string().nullable(),
  before: weights,
  after: weights,
});

/** The last change of a service's traffic, shown beside its instances. */
export const lastChange = historyEntry.extend({ service: z.string() });
export type LastChange = z.infer<typeof lastChange>;

const happened = z.object({
  at: z.string(),
  kind: z.string(),
  id: z.string().nullable(),
  text: z.string(),
  by: z.string().nullable(),
});

/** Of the versions that take traffic: which one is worse, if that can be told, in a sentence; what is wrong, and since when. */
export const comparison = z.object({
  worse: z.string().nullable(),
  text: z.string(),
  trouble: z.enum(["fails", "slow"]).nullable(),
  since: z.string().nullable(),
});
export type ComparisonView = z.infer<typeof comparison>;

export const TRAFFIC_RANGES = ["15m", "1h", "24h"] as const;
/** By step, oldest first; a step in which nothing was answered has no time. */
const columns = {
  requests: z.array(z.number()),
  failed: z.array(z.number()),
  p95_ms: z.array(z.number().nullable()),
};
export const trafficAnswer = z.object({
  service: z.string(),
  range: z.enum(TRAFFIC_RANGES),
  /** When the first step began, and how long each is. */
  start: z.string(),
  step_secs: z.number(),
  total: z.object(columns),
  /** Those that had traffic, in the order of their deploys, with what is so now. */
  versions: z.array(
    z.object({
      version: z.string(),
      ...columns,
      requests_per_sec: z.number(),
      error_percent: percent,
      error_window_secs: z.number(),
      p50_ms: z.number().nullable(),
      now_p95_ms: z.number().nullable(),
      p99_ms: z.number().nullable(),
    }),
  ),
  comparison,
  /** What was done to it meanwhile, and by whom. */
  marks: z.array(happened),
});
export type TrafficView = z.infer<typeof trafficAnswer>;

/** A service as a whole; tries and what the proxy answered itself. */
export const serviceRate = z.object({
  service: z.string(),
  requests_per_sec: z.number(),
  error_percent: z.number(),
  error_window_secs: z.number(),
  comparison,
  proxy_answers: proxyAnswers,
});
export type ServiceRate = z.infer<typeof serviceRate>;

export const whyAnswer = z.object({
  ...named,
  version: z.string(),
  state,
  reason: z.string(),
  since: z.string(),
  /** The most probable one: a word for programs, a sentence for people, the line of output that it goes by, what to do. */
  cause: z.object({ kind: z.string(), text: z.string(), evidence: z.string().nullable(), hint: z.string() }),
  /** Of each of its service's hosts, where https is served. */
  certificates: z.array(z.object({ name: z.string(), text: z.string(), is_well: z.boolean() })),
  states: z.array(happened),
  last_check: z.string().nullable(),
  check_passed: z.boolean(),
  /** What its health path answers now, where the last check failed; the first 200 characters. */
  answer: z.object({ status: z.number(), body: z.string() }).nullable(),
  last_exit: z.string().nullable(),
  port: z.number().nullable(),
  listening: z.array(z.number()).nullable(),
  memory_bytes: z.number().nullable(),
  memory_limit_bytes: z.number().nullable(),
  disk_free_bytes: z.number().nullable(),
  restarts: z.number(),
  error_percent: percent,
  error_window_secs: z.number(),
  output: z.array(z.string()),
  /** The last version before it that is healthy, and the keys in which the two differ; of env only the names. */
  differs_from: z.object({ id: z.string(), keys: z.array(z.string()) }).nullable(),
  /** What visitors of its service got from the proxy itself. */
  proxy_answers: proxyAnswers,
  differs_from_file: z.array(z.string()),
  /** Of its service, in the last hour. */
  changes: z.array(happened),
  commands: z.array(z.string()),
});
export type WhyView = z.infer<typeof whyAnswer>;

export const eventQuery = z.strictObject({
  after: z.coerce.number().int().optional(),
  since: checked(parseSince).optional(),
  service: service.optional(),
  kind: z.string().max(100).optional(),
  by: z.string().max(200).optional(),
  limit: count(100, 10_000),
});

export const logQuery = z.strictObject({
  service: service.optional(),
  id: label.optional(),
  limit: count(100, 10_000),
  search: z.string().max(1_000).optional(),
  level: z.enum(["stdout", "stderr"]).optional(),
  since: checked(parseSince).optional(),
  until: checked(parseSince).optional(),
}) satisfies z.ZodType<LogQuery>;

export const instances = z.array(instance).min(1).max(1_000);
export const params = z.strictObject({ instance });
