// Certificates put together for a program: store, authorities, files, what handshakes get, and what people are shown.
import { lookup } from "node:dns/promises";
import { AUTHORITIES } from "../core/certificate-authority.ts";
import { alarmTime } from "../core/certificate-schedule.ts";
import type { Clock } from "../platform/time/clock.ts";
import type { AcmeOptions } from "./acme-settings.ts";
import { createAuthorities } from "./authority.ts";
import { createChallenges } from "./challenges.ts";
import { clockText } from "./clock-text.ts";
import { createDesk } from "./desk.ts";
import { type CertificateFiles, type FileCertificate, openCertificateFiles } from "./files.ts";
import { lookAtName, whereText } from "./look.ts";
import { type CertificateEvent, createCertificateManager } from "./manager.ts";
import type { Pair } from "./records.ts";
import { placeholder } from "./requests.ts";
import { CIPHERS, ServedCertificates } from "./served.ts";
import type { CertificateStore } from "./store/store.ts";

export interface OpenOptions {
  /** Undefined: nothing is ordered. */
  readonly acme: AcmeOptions | undefined;
  /** Files and directories of the operator's. */
  readonly paths: readonly string[];
  readonly store: CertificateStore;
  readonly clock: Clock;
  /** `ten` or `slum`. */
  readonly program: string;
  readonly version: string;
  /** The port of https as it is served; asked once it is. */
  httpsPort(): number;
  readonly environment: Readonly<Record<string, string>>;
  /** The names that are ordered without being asked for. */
  wanted(): readonly string[];
  /** Whether a name may be ordered in a handshake. */
  isOurs(name: string): boolean;
  /** Whose a name is that visitors can make up, one of a wildcard: what is ordered for each is bounded. */
  ownerOf?(name: string): string | undefined;
  onEvent(event: CertificateEvent): void;
  onProblem(text: string): void;
}

export interface Certificates extends Disposable {
  readonly served: ServedCertificates;
  readonly desk: ReturnType<typeof createDesk>;
  /** What is wanted may be other names: looks at once. */
  refresh(): void;
  /** What a listener for https needs of all this. */
  tls(): {
    readonly certificates: ServedCertificates;
    readonly ciphers: string;
    readonly placeholder: Pair;
    onHandshake(result: string, count?: number): void;
  };
  /** How handshakes have ended, by their result. */
  readonly handshakes: ReadonlyMap<string, number>;
}

const REFRESH_MS = 60_000;

/** Opens what is stored and read; orders begin at once, in the background. */
export async function openCertificates(options: OpenOptions): Promise<Certificates> {
  const { acme, store, clock, paths } = options;
  const challenges = createChallenges({
    clock,
    store,
    kinds: acme?.challenges ?? [],
    dnsCommand: acme?.dnsCommand,
    environment: options.environment,
    onPending: async () => opening?.changed(),
  });
  const authorities =
    acme &&
    createAuthorities({
      ...acme,
      store,
      clock,
      prover: challenges,
      userAgent: `${options.program}/${options.version}`,
    });
  const opened = await authorities?.open();
  const look = (name: string) =>
    lookAtName(name, { thumbprint: opened?.thumbprint, clock, httpsPort: options.httpsPort() });
  let opening: ServedCertificates | undefined;
  const manager = await createCertificateManager({
    store,
    authorities,
    clock,
    random: Math.random,
    isOurs: options.isOurs,
    ...(options.ownerOf && { ownerOf: options.ownerOf }),
    isStale: (url) => url === AUTHORITIES.staging && !acme?.authorities.some((one) => one.url === url),
    resolves,
    explain: async (name) => whereText(name, await look(name)),
    onEvent: options.onEvent,
    onChange: (name) => opening?.forget(name),
  });
  const alarm = createFileAlarm(options);
  const files: CertificateFiles | undefined =
    paths.length === 0
      ? undefined
      : openCertificateFiles({
          paths,
          clock,
          onProblem: options.onProblem,
          onReplaced({ names, path }) {
            for (const name of names) options.onEvent({ kind: "renewed", name, detail: `read from ${path}` });
          },
          onChange() {
            opening?.forget();
            if (opening !== undefined) alarm(files?.list() ?? []);
          },
        });
  const served = new ServedCertificates({
    files,
    challenges,
    manager,
    thumbprint: opened?.thumbprint,
    clock,
  });
  opening = served;
  const refresh = () => {
    alarm(files?.list() ?? []);
    if (acme === undefined) return;
    // What a file has is not ordered, and a wildcard is only where it can be proved.
    manager.want(options.wanted().filter((name) => files?.find(name) === undefined));
    void challenges.refresh().catch(() => {});
  };
  refresh();
  const stop = clock.every(REFRESH_MS, refresh);
  const handshakes = new Map<string, number>();
  return {
    served,
    handshakes,
    tls: () => ({
      certificates: served,
      ciphers: CIPHERS,
      placeholder: placeholder(clock.now()),
      onHandshake: (result, count = 1) => void handshakes.set(result, (handshakes.get(result) ?? 0) + count),
    }),
    desk: createDesk({
      program: options.program,
      manager,
      files,
      authorities: acme?.authorities.map(({ url }) => url) ?? [],
      clock,
      isOurs: options.isOurs,
      look,
      clockTrouble: () => clockText(authorities?.clock()),
    }),
    refresh,
    [Symbol.dispose]() {
      stop();
      files?.[Symbol.dispose]();
      manager[Symbol.dispose]();
    },
  };
}

/** Tells once of each file's certificate whose end comes near: nobody but the operator renews it. */
function createFileAlarm({ clock, onEvent }: Pick<OpenOptions, "clock" | "onEvent">) {
  const told = new Set<string>();
  return (all: readonly FileCertificate[]) => {
    for (const { names, path, serial, life } of all) {
      if (clock.now() < alarmTime(life) || told.has(serial)) continue;
      told.add(serial);
      const detail = `valid until ${new Date(life.notAfter).toISOString()}; put a new one at ${path}`;
      for (const name of names) onEvent({ kind: "expiring", name, detail });
    }
  };
}

/** Whether a name has an address; where that cannot be found out it may have one. */
async function resolves(name: string): Promise<boolean> {
  try {
    return (await lookup(name, { all: true })).length > 0;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code !== "ENOTFOUND";
  }
}
