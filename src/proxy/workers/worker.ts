// A proxy worker: the in-process plane in a process of its own, told what to do over its socket, and serving on when nobody does.
import { messageOf } from "../../core/fault.ts";
import type { Address, Route, Target } from "../../core/route.ts";
import { type AcceptGuard, guardAccepting } from "../../platform/net/accept-guard.ts";
import { type Channel, listenForChannels } from "../../platform/net/channel.ts";
import { type ListeningSocket, offerSocket, takeSocket } from "../../platform/net/listening-socket.ts";
import { claimSocket, removeSocket } from "../../platform/net/unix-socket.ts";
import { readProcess } from "../../platform/process/proc.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { createTimers } from "../../platform/time/timers.ts";
import type { HttpsOptions, ProgramHooks } from "../data-plane.ts";
import { createInProcessPlane, type InProcessPlane } from "../front/in-process.ts";
import type { FailureKind } from "../http-client.ts";
import { createUpstream } from "../upstream/upstream.ts";
import { OFFER_SUFFIXES } from "./held-socket.ts";
import { Reporter } from "./merged-traffic.ts";
import {
  type FromWorker,
  type Hello,
  PROTOCOL,
  type RouteNews,
  readToWorker,
  settingsKey,
  type ToWorker,
  type WorkerSettings,
} from "./protocol.ts";
import { HandshakeCounts, NameQuestions, ToldCertificates } from "./told-certificates.ts";
import { createWantedRequests } from "./wanted.ts";

export interface WorkerOptions {
  /** Where it is to be found: the path of its socket, whose directory is private. */
  readonly socket: string;
  /** Differs when the executable does. */
  readonly build: string;
  readonly clock: Clock;
  /** Answers requests for the own hosts while there is no supervisor. */
  readonly away: ProgramHooks["own"];
  /** Of the process's descriptors. */
  readonly guard?: AcceptGuard;
  /** Where it offers the sockets that it listens on to who comes next: the path without its suffix. */
  readonly offerAt?: string;
  /** What a plane that has been served otherwise has left in flight: it is only finished, and told about. */
  readonly left?: { readonly plane: InProcessPlane; readonly finished: Promise<void> };
}

const REPORT_EVERY_MS = 100;
/** So many reports may be skipped when there is nothing to tell: the next is a sign of life. */
const QUIET_REPORTS = 10;
/** A supervisor that starts anew is back within this, also on a busy machine; until then visitors may wait for what only it can start. */
const HOPE_MS = 10_000;
/** How long it serves on alone, and how long what is in flight may take after that. */
const ALONE_MS = 600_000;
const FINISH_MS = 30_000;
/** Nobody has come to open it. */
const UNOPENED_MS = 10_000;

/** Listens on its socket until it has finished; the answer is the exit code of its process. */
export async function runWorker(options: WorkerOptions): Promise<number> {
  const { clock, socket } = options;
  await using held = new AsyncDisposableStack();
  const guard = held.use(guardAccepting(clock, (message) => worker.say({ kind: "warning", message })));
  const worker = createWorker({ ...options, guard, offerAt: socket });
  held.defer(worker.dispose);
  held.use(await claimSocket(socket, clock, (path) => listenForChannels(path, worker.meet)));
  held.defer(() => removeSocket(socket));
  process.on("SIGTERM", () => worker.finish(FINISH_MS));
  // It is in a session of its own; what a terminal or a shell sends the supervisor is not for it.
  for (const signal of ["SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const)
    process.on(signal, () => {});
  await worker.finished;
  return 0;
}

export interface Worker {
  readonly finished: Promise<void>;
  /** A supervisor has connected. */
  meet(channel: Channel): { heard(message: unknown): void; closed(): void };
  say(message: FromWorker): void;
  /** Stops accepting, and ends when what is in flight has. */
  finish(deadlineMs: number): Promise<void>;
  dispose(): Promise<void>;
}

/** All of a worker but its process. */
export function createWorker(options: Omit<WorkerOptions, "socket">): Worker {
  const { clock } = options;
  const timers = createTimers<"hope" | "alone">(clock);
  const petitions = createWantedRequests();
  const questions = new NameQuestions();
  const handshakes = new HandshakeCounts();
  let certificates: ToldCertificates | undefined;
  const ended = Promise.withResolvers<void>();
  const routes = new Map<string, Route>();
  const complained = new Set<string>();
  let supervisor: Channel | undefined;
  let plane = options.left?.plane;
  let key: string | null = null;
  let defaultRoute: string | undefined;
  let finishing = options.left?.finished.then(leave);
  const held = new AsyncDisposableStack();
  const reporter = new Reporter(() => plane?.loads() ?? [], plane !== undefined);
  /** Who listens has said that it reads no more. */
  let isHushed = false;
  let quiet = 0;
  let isOpening = plane !== undefined;

  const say = (message: FromWorker) => supervisor?.send(JSON.stringify(message));
  const done = (seq: number, more: { left?: number; url?: string; httpsUrl?: string; error?: string } = {}) =>
    say({ kind: "done", seq, ...more });

  function take({ names, changed, ...news }: RouteNews): void {
    const known = new Map(routes);
    for (const route of changed) known.set(route.name, route);
    routes.clear();
    for (const name of names) {
      const route = known.get(name);
      if (route === undefined) throw new Error(`a route that was never told: ${name}`);
      routes.set(name, route);
    }
    defaultRoute = news.defaultRoute;
  }

  const publish = () => plane?.publish([...routes.values()], defaultRoute);

  /** At once, and then not again before the next report: a target that is down fails thousands of requests a second. */
  function complain(target: string, failure: FailureKind): void {
    const trouble = `${failure} ${target}`;
    if (complained.has(trouble)) return;
    complained.add(trouble);
    say({ kind: "trouble", target, failure });
  }

  /** The socket that is offered there, which is offered on to who comes next. */
  async function share(asked: Address, offer: string, kind: "http" | "https"): Promise<ListeningSocket> {
    const taken = await takeSocket(offer, clock);
    if (taken === undefined) throw new Error("the listening socket was not handed over");
    const { socket } = taken;
    held.use(socket);
    taken.settle(true);
    if (options.offerAt !== undefined)
      held.use(await offerSocket(`${options.offerAt}${OFFER_SUFFIXES[kind]}`, { asked, socket }, clock));
    return socket;
  }

  /** Everything in one step: no request meets a listener without routes. */
  function open(
    settings: WorkerSettings,
    port: number,
    socket: ListeningSocket | undefined,
    https: HttpsOptions | undefined,
  ): InProcessPlane {
    const { adminHost, ownSocket, ...rest } = settings;
    const { away } = options;
    plane = createInProcessPlane(
      {
        ...rest,
        ...(adminHost !== undefined && { adminHost }),
        port,
        https,
        ...(socket === undefined ? { reusePort: true } : { listenerFd: socket.duplicate() }),
        clock,
        ...(options.guard && { guard: options.guard }),
        ownElsewhere: { socket: ownSocket, isAway: () => supervisor === undefined, away },
        hooks: {
          own: away,
          onTrouble: complain,
          onWanted: petitions.ask,
          onNotice: (message, target) => say({ kind: "warning", message, ...(target && { target }) }),
          onDefect: (error) => say({ kind: "defect", message: error.stack ?? error.message }),
        },
      },
      createUpstream({ clock }),
    );
    key = settingsKey(settings);
    void publish();
    return plane;
  }

  /** How https is served; undefined where it is not. */
  async function secured(
    settings: WorkerSettings,
    told: NonNullable<Extract<ToWorker, { kind: "open" }>["https"]>,
  ): Promise<HttpsOptions | undefined> {
    if (settings.https === undefined) return undefined;
    const { port, offer, placeholder, news } = told;
    const asked = { host: settings.host, port: settings.https.port };
    const socket = offer === undefined ? undefined : await share(asked, offer, "https");
    const { ciphers } = settings.https;
    certificates = new ToldCertificates({ ciphers, clock }, news, (name) => questions.ask(name));
    return {
      ...settings.https,
      port,
      certificates,
      placeholder,
      onHandshake: handshakes.add,
      ...(socket !== undefined && { listenerFd: socket.duplicate() }),
    };
  }

  /** Throws when it was told before: that is garbage. */
  async function begin({ seq, settings, port, offer, https, ...news }: Extract<ToWorker, { kind: "open" }>) {
    if (isOpening) throw new Error("it is open");
    isOpening = true;
    take(news);
    try {
      const socket = offer === undefined ? undefined : await share(settings, offer, "http");
      const secure = https === undefined ? undefined : await secured(settings, https);
      const { url, httpsUrl } = open(settings, port, socket, secure);
      done(seq, { url: url.href, ...(httpsUrl && { httpsUrl: httpsUrl.href }) });
    } catch (thrown) {
      done(seq, { error: messageOf(thrown) });
    }
  }

  function obey(message: ToWorker): void {
    switch (message.kind) {
      case "open":
        void begin(message).catch(() => supervisor?.terminate());
        break;
      case "publish":
        take(message);
        // The counters of targets that are no more go with them.
        tell();
        void publish();
        done(message.seq);
        break;
      case "drain":
        void plane?.drain(message.target, message.deadlineMs).then(({ left }) => done(message.seq, { left }));
        break;
      case "certificates":
        certificates?.take(message.news);
        done(message.seq);
        break;
      case "looked":
        questions.looked(message.named);
        break;
      case "answered":
        petitions.answered(message.wanted, message.isGranted);
        break;
      case "hush":
        tell();
        isHushed = true;
        done(message.seq);
        break;
      case "close":
        void finish(message.deadlineMs);
    }
  }

  function attach(channel: Channel): void {
    if (supervisor === channel) return;
    supervisor?.terminate();
    supervisor = channel;
    timers.clear();
    isHushed = false;
    reporter.begin();
    petitions.attach((id, wanted) => say({ kind: "wanted", id, wanted }));
    questions.attach((id, name) => say({ kind: "named", id, name }));
  }

  function lose(channel: Channel): void {
    if (supervisor !== channel) return;
    supervisor = undefined;
    if (plane === undefined) ended.resolve();
    petitions.detach();
    questions.attach(undefined);
    if (options.left !== undefined) return;
    timers.start("hope", HOPE_MS, settleDown);
    timers.start("alone", ALONE_MS, () => void finish(FINISH_MS));
  }

  /** Nobody will start anything: those who wait are refused, and awake siblings take what sleepers would have got. */
  function settleDown(): void {
    petitions.giveUp();
    void plane?.publish([...routes.values()].map(withoutHope), defaultRoute);
  }

  function finish(deadlineMs: number): Promise<void> {
    finishing ??= (async () => {
      timers.clear();
      say(hello());
      await plane?.close(deadlineMs);
      leave();
    })();
    return finishing;
  }

  function leave(): void {
    tell();
    supervisor?.end();
    ended.resolve();
  }

  const startTime = readProcess(process.pid)?.startTime ?? "";
  const hello = (): Hello => ({
    kind: "hello",
    protocol: PROTOCOL,
    build: options.build,
    pid: process.pid,
    startTime,
    settings: key,
    url: plane?.url.href ?? null,
    ...(plane?.httpsUrl && { httpsUrl: plane.httpsUrl.href }),
    isClosing: finishing !== undefined,
  });

  function tell(): void {
    complained.clear();
    if (supervisor === undefined || isHushed) return;
    const targets = reporter.moved();
    const own = [...(plane?.takeOwn() ?? [])];
    const trials = plane === undefined ? [] : [...plane.takeTrials()];
    const shadows = plane === undefined ? [] : [...plane.takeShadows()];
    const counts = handshakes.take();
    const isQuiet = [targets, own, trials, shadows, counts].every(({ length }) => length === 0);
    quiet = isQuiet ? quiet + 1 : 0;
    if (isQuiet && quiet < QUIET_REPORTS) return;
    quiet = 0;
    say({ kind: "traffic", targets, own, trials, shadows, handshakes: counts });
  }

  const stopTelling = clock.every(REPORT_EVERY_MS, () => {
    if (supervisor?.isBehind === false) tell();
  });
  if (options.left === undefined) timers.start("alone", UNOPENED_MS, ended.resolve);

  return {
    finished: ended.promise,
    say,
    finish,
    meet(channel) {
      channel.send(JSON.stringify(hello()));
      return {
        heard(message) {
          const read = readToWorker(message);
          // Only who holds the data directory speaks here, so whoever spoke before is dead.
          attach(channel);
          obey(read);
        },
        closed: () => lose(channel),
      };
    },
    async dispose() {
      stopTelling();
      timers.clear();
      if (options.left === undefined) await plane?.[Symbol.asyncDispose]();
      await held.disposeAsync();
    },
  };
}

function withoutHope(route: Route): Route {
  const isAwaited = ({ readiness }: Target) => readiness === "asleep" || readiness === "coming";
  const targets = route.targets.map((target) =>
    isAwaited(target) ? { ...target, readiness: "out" as const } : target,
  );
  return { ...route, targets };
}
