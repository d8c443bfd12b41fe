// What a supervisor and its proxy workers say to each other, and how either tells a message from garbage.
import { z } from "zod";
import type { Route } from "../../core/route.ts";
import type { ShadowCounts } from "../../core/shadow/shadow-counts.ts";
import type {
  CertificateNews,
  DataPlaneOptions,
  FrontLimits,
  HandshakeResult,
  ServedPair,
  Wanted,
} from "../data-plane.ts";
import type { FailureKind } from "../http-client.ts";
import type { TrialCounts } from "../trial-counters.ts";

/** Counted up when a message changes its meaning. `hello` and `close` never do: any two versions understand those. */
export const PROTOCOL = 5;

/** All that a worker is told once: it is replaced, not told anew, when any of it changes. */
export interface WorkerSettings
  extends Pick<
    DataPlaneOptions,
    "host" | "domain" | "directHosts" | "trustedProxies" | "fields" | "accessLog"
  > {
  readonly selectorFrom: readonly string[];
  readonly directFrom: readonly string[];
  readonly limits: Partial<FrontLimits>;
  /** As asked for: 0 is any free one. */
  readonly port: number;
  readonly adminHost: string | undefined;
  readonly proxyProtocol: boolean;
  /** Undefined where https is not served. */
  readonly https: WorkerHttps | undefined;
  readonly phase: number;
  readonly viaName: string;
  /** The socket where the supervisor answers for its own hosts. */
  readonly ownSocket: string;
}

export interface WorkerHttps {
  /** As asked for: 0 is any free one. */
  readonly port: number;
  readonly ciphers: string;
  readonly http2: boolean;
}

const whole = z.int().nonnegative();
const isObject = (value: unknown) => typeof value === "object" && value !== null;
const isWord = (value: unknown) => typeof value === "string";
/** Both ends are the same build (`hello` says so), so what was typed on one side is not taken apart again on the other. */
const route = z.custom<Route>(isObject);
const settings = z.custom<WorkerSettings>(isObject);
const news = z.custom<CertificateNews>(isObject);
const pair = z.custom<ServedPair>(isObject);
/** The routes in order, and those of them that differ from what was told before. */
const routes = { names: z.array(z.string()), changed: z.array(route), defaultRoute: z.string().optional() };

const toWorker = z.discriminatedUnion("kind", [
  /**
   * The first of all: listen, at `port`, with these routes; on the socket that is offered at `offer`, where there is one. `https` is the
   * same for https, with all its certificates.
   */
  z.object({
    kind: z.literal("open"),
    seq: whole,
    port: whole,
    settings,
    offer: z.string().optional(),
    https: z.object({ port: whole, offer: z.string().optional(), placeholder: pair, news }).optional(),
    ...routes,
  }),
  z.object({ kind: z.literal("publish"), seq: whole, ...routes }),
  z.object({ kind: z.literal("drain"), seq: whole, target: z.string(), deadlineMs: z.number() }),
  /** The certificates are these now, whatever they were. */
  z.object({ kind: z.literal("certificates"), seq: whole, news }),
  /** What there is to know of the name of a `named` has been told. */
  z.object({ kind: z.literal("looked"), named: whole }),
  /** Tell what has been counted, and then nothing before the next supervisor comes: this one reads no more. */
  z.object({ kind: z.literal("hush"), seq: whole }),
  /** Finish what is in flight, and end. */
  z.object({ kind: z.literal("close"), seq: whole, deadlineMs: z.number() }),
  /** What became of a `wanted`. */
  z.object({ kind: z.literal("answered"), wanted: whole, isGranted: z.boolean() }),
]);

/**
 * Of one target: what is in flight and waits now, and what it has counted since the last report, to whomever that was. `buckets` are the
 * numbers of those that have gained, each followed by how much.
 */
const report = z.object({
  id: z.string(),
  inFlight: whole,
  idleMs: z.number(),
  requests: whole,
  failures: whole,
  unanswered: z.object({ count: whole, clients: z.array(whole), overdue: z.array(whole) }),
  statuses: z.array(whole),
  buckets: z.array(whole),
});

/** Added up since the last one. */
const trial = z.object({
  route: z.string(),
  split: z.string(),
  target: z.string(),
  begun: whole,
  ended: whole,
  answers: whole,
  errors: whole,
  rejections: whole,
  refused: whole,
  rescued: whole,
  seen: whole,
  buckets: z.array(whole).readonly(),
  visitors: z.array(whole).readonly(),
}) satisfies z.ZodType<TrialCounts>;

/** The same build wrote it: see `route`. */
const shadow = z.custom<ShadowCounts>(isObject);

const fromWorker = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("hello"),
    protocol: whole,
    build: z.string(),
    pid: whole,
    startTime: z.string(),
    /** `settingsKey` of what it was opened with; null: it has not been. */
    settings: z.string().nullable(),
    url: z.string().nullable(),
    /** Missing where https is not served. */
    httpsUrl: z.string().optional(),
    isClosing: z.boolean(),
  }),
  /** The message of that number has been obeyed, or cannot be. */
  z.object({
    kind: z.literal("done"),
    seq: whole,
    left: whole.optional(),
    url: z.string().optional(),
    httpsUrl: z.string().optional(),
    error: z.string().optional(),
  }),
  /** What has changed; empty when nothing has, and then a sign of life. */
  z.object({
    kind: z.literal("traffic"),
    targets: z.array(report),
    /** What the proxy answered itself since the last one, by name: see own-counts. */
    own: z.array(z.tuple([z.string(), whole])).default([]),
    trials: z.array(trial),
    shadows: z.array(shadow).default([]),
    /** Handshakes by their result, since the last one. */
    handshakes: z.array(z.tuple([z.custom<HandshakeResult>(isWord), whole])).default([]),
  }),
  z.object({ kind: z.literal("trouble"), target: z.string(), failure: z.custom<FailureKind>(isWord) }),
  z.object({ kind: z.literal("wanted"), id: whole, wanted: z.custom<Wanted>(isObject) }),
  /** A handshake waits for a certificate of this name. */
  z.object({ kind: z.literal("named"), id: whole, name: z.string() }),
  z.object({ kind: z.literal("defect"), message: z.string() }),
  /** `target`: whose doing it is. */
  z.object({ kind: z.literal("warning"), message: z.string(), target: z.string().optional() }),
]);

export type ToWorker = z.infer<typeof toWorker>;
export type FromWorker = z.infer<typeof fromWorker>;
export type Hello = Extract<FromWorker, { kind: "hello" }>;
export type Done = Extract<FromWorker, { kind: "done" }>;
export type Report = z.infer<typeof report>;
/** The routes of an `open` or a `publish`. */
export type RouteNews = Pick<Extract<ToWorker, { kind: "publish" }>, "names" | "changed" | "defaultRoute">;

/** Throws when it is none. */
export function readToWorker(message: unknown): ToWorker {
  return toWorker.parse(message);
}

/** Throws when it is none. */
export function readFromWorker(message: unknown): FromWorker {
  return fromWorker.parse(message);
}

/** Equal for equal settings. */
export function settingsKey(of: WorkerSettings): string {
  return JSON.stringify(of);
}
