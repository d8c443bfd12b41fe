// `slum serve` put together: what is opened in which order, and how it all ends.

import { isIP } from "node:net";
import { createActing } from "../api/acting.ts";
import { openAdmin } from "../api/open-admin.ts";
import { answerTlsCheck } from "../api/tls-check.ts";
import { createTokens } from "../api/tokens.ts";
import { readRoots } from "../certificates/certificate.ts";
import type { Certificates } from "../certificates/open-certificates.ts";
import type { CommonServeOptions, Served } from "../cli/serve.ts";
import { messageOf } from "../core/fault.ts";
import { unbracketed } from "../core/host.ts";
import { createTrust } from "../core/trusted-proxies.ts";
import { guardAccepting } from "../platform/net/accept-guard.ts";
import { createResolver } from "../platform/net/resolver.ts";
import { probePort } from "../platform/net/unix-socket.ts";
import { writeSecret } from "../platform/storage/atomic-file.ts";
import { claimToServe } from "../platform/storage/data-directory.ts";
import { isPostgresUrl, shownDatabase } from "../platform/storage/postgres-url.ts";
import { onDisk } from "../platform/storage/turns.ts";
import { keepInStore, type PassedSockets, passedSockets } from "../platform/systemd/listen-fds.ts";
import { createNotifier } from "../platform/systemd/notify.ts";
import { atMost } from "../platform/time/clock.ts";
import type { FrontLimits } from "../proxy/data-plane.ts";
import { createFailoverPlane } from "../proxy/failover/failover-plane.ts";
import { createTrafficHistory, type TrafficHistory } from "../proxy/traffic-history.ts";
import { openTrafficJournal } from "../proxy/traffic-journal.ts";
import { createUpstream } from "../proxy/upstream/upstream.ts";
import { holdSockets, listeningOn } from "../proxy/workers/held-socket.ts";
import { createOutbox } from "../webhooks/outbox.ts";
import { shownReceiver } from "../webhooks/post-webhook.ts";
import { newSecret } from "../webhooks/signature.ts";
import { tellBegun } from "../webhooks/store.ts";
import { adoptTokenFile, SLUM_SCOPES, tokenTable } from "./api/auth.ts";
import { contract } from "./api/contract.ts";
import { dashboard } from "./api/dashboard.ts";
import { createHandlers } from "./api/handlers.ts";
import { metricsPage } from "./api/metrics.ts";
import { groupsOf, isLasting } from "./api/own-answers.ts";
import { createView } from "./api/view.ts";
import { OVERWRITTEN } from "./fleet/routes.ts";
import { type HttpsSettings, openHttps } from "./https.ts";
import { createControl } from "./operations/control.ts";
import { filledBeside } from "./registry/filled-beside.ts";
import { boxFor, identityIn, openRegistryAt } from "./registry/open-registry.ts";
import { type DataPaths, dataPaths } from "./registry/paths.ts";
import type { Registry } from "./registry/registry.ts";
import { keepSnapshot, readSnapshot } from "./registry/snapshot.ts";
import { underWay } from "./webhooks/alerts.ts";

export interface ServeOptions extends CommonServeOptions {
  readonly dataDir: string;
  /** The registry's file, or the URL of a PostgreSQL-compatible database; a file in the data directory unless given. */
  readonly database: string | undefined;
  /** Of a key that seals the secrets of receivers in the registry. */
  readonly keyFile: string | undefined;
  /** Serves https too; undefined: http only. */
  readonly https?: HttpsSettings | undefined;
  readonly intervalMs: number;
  readonly offlineAfterMs: number;
  readonly webhook: string | undefined;
  readonly trustedProxies: readonly string[];
  /** What one visitor and all together may hold, where that is not as usual. */
  readonly limits?: Partial<FrontLimits>;
  readonly proxyProtocol: boolean;
  /** A file of roots to trust instead of the system's, for servers with certificates of one's own. */
  readonly caFile: string | undefined;
}

/** After SIGQUIT its `close` serves on until the next start does, but for 10 s at most. */
export interface Server extends Served {
  readonly httpsUrl: URL | undefined;
  /** Its name without a password, and what it had at the start. */
  readonly registry: { readonly name: string; readonly servers: number; readonly tenants: number };
}

/** How often names are looked up again, unless servers are checked more often than that. */
const REFRESH_MS = 30_000;
/** How long a start waits for the names of its servers; a name that is slower goes on in the background. */
const LOOKUP_MS = 2_000;
const CLOSE_MS = 30_000;
/** How long a server that was told to leave waits for the next start. */
const HAND_OVER_MS = 10_000;
/** A server that hangs is found by its health; these only keep what nobody reads from staying for ever. */
const REQUEST_TIMEOUT_MS = 300_000;
const STREAM_IDLE_TIMEOUT_MS = 3_600_000;
const VERDICT_MS = 3_000;
/** Requests in flight to one server, where `ten` behind it has its own limits. */
const IN_FLIGHT_MAX = 16_384;

/** Opens everything or nothing: what was opened before a failure is closed again. Throws a Fault that says what is in the way. */
export async function serve(options: ServeOptions): Promise<Server> {
  const { clock, domain, log, version } = options;
  const paths = dataPaths(options.dataDir);
  const database = options.database ?? paths.database;
  const ca = options.caFile === undefined ? undefined : readRoots(options.caFile, "--ca");
  const ownHosts: ReadonlySet<string> = new Set(["localhost", domain]);
  const sockets = passedSockets(options.environment, { httpsPort: options.https?.port });
  // What goes on for a while after the rest has been given to the next start.
  await using lasting = new AsyncDisposableStack();
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await claimToServe(paths, { ...options, program: "slum" }));
  const slumId = identityIn(paths);
  const acting = createActing();
  const guard = opened.use(guardAccepting(clock, log.warn));
  const { address, httpsPort, held, served } = await holdListening(options, sockets, paths.root, lasting);
  // A registry elsewhere may know us from here on, with what only this directory has the key to.
  directory.keep();
  const last = readSnapshot(paths.snapshot, log.warn);
  const resolver = opened.use(createResolver({ clock, refreshMs: Math.min(options.intervalMs, REFRESH_MS) }));
  resolver.remember(last?.addresses ?? {});
  const registry = opened.use(
    await openRegistryAt({
      database,
      slumId,
      clock,
      fallback: last,
      acting,
      box: boxFor(database, options.keyFile, paths),
      isServer: true,
    }),
  );
  if (registry.trouble !== undefined && last)
    log.warn(`${registry.trouble}; starting with the snapshot of ${new Date(last.savedAt).toISOString()}`);
  const misplaced =
    registry.trouble === undefined ? filledBeside(registry, database, paths, last) : undefined;
  if (misplaced !== undefined) log.warn(misplaced);
  const questions = opened.use(createUpstream({ clock }));
  const webhooks = opened.use(
    createOutbox({
      store: registry,
      program: "slum",
      source: `slum ${domain}`,
      senderId: slumId,
      clock,
      log,
      upstream: opened.use(createUpstream({ clock })),
    }),
  );
  const snapshot = opened.use(
    keepSnapshot(
      paths.snapshot,
      clock,
      () => ({
        servers: [...registry.servers.values()],
        tenants: [...registry.tenants.values()],
        addresses: resolver.known(),
        registry: shownDatabase(database),
      }),
      log.warn,
      last,
    ),
  );
  const opening = createControl({
    registry,
    webhooks,
    resolver,
    snapshot,
    upstream: questions,
    clock,
    slumId,
    domain,
    ownHosts,
    intervalMs: options.intervalMs,
    offlineAfterMs: options.offlineAfterMs,
    ca,
    log,
    onRegistryBack: () => void prepare(),
  });
  const control = opened.use(opening);
  const names = new Set([...control.fleet.all()].map(({ url }) => url.host));
  await atMost(clock, LOOKUP_MS, Promise.all([...names].map(resolver.watch)));
  await prepare();

  /** What a slum has in the registry from its start: made when that can be used. */
  async function prepare(): Promise<void> {
    if (registry.trouble !== undefined) return;
    try {
      await adoptTokenFile(tokenTable(registry), paths, { clock, log });
      await control.webhooks.sealAll();
      if (options.webhook !== undefined) await ensureWebhook(registry, options.webhook, paths, options);
    } catch (thrown) {
      log.warn(`the old token or the webhook could not be registered: ${messageOf(thrown)}`);
    }
  }

  const { fleet, routes } = control;
  const isOurs = (host: string) => ownHosts.has(host) || routes.tenant(host) !== undefined;
  const certificates: Certificates | undefined =
    options.https &&
    (await openHttps({
      ...options,
      settings: options.https,
      httpsUrl: (): URL | undefined => plane.httpsUrl,
      slumId,
      isOurs,
      registry,
      routes,
      webhooks,
      opened,
    }));
  /** As of now. */
  function readHistory(): TrafficHistory {
    history.refresh();
    return history;
  }
  const view = createView({
    control,
    clock,
    snapshot,
    registryName: shownDatabase(database),
    traffic: () => plane.traffic(),
    history: readHistory,
    trouble: () => certificates?.desk.trouble() ?? [],
  });
  const tokens = createTokens("slum", tokenTable(registry), clock, SLUM_SCOPES);
  const admin = opened.use(
    openAdmin({
      name: "slum",
      version,
      contract,
      handlers: (loginCode) =>
        createHandlers({
          control,
          view,
          history: readHistory,
          slumId,
          product: `slum/${version}`,
          clock,
          metrics: (): string => metricsPage(view, version, readHistory(), certificates),
          loginCode,
          tokens,
          certificates: certificates?.desk,
        }),
      tokens,
      acting,
      note: (kind, detail) => void registry.audit(kind, detail),
      ...(!isPostgresUrl(database) && { kept: () => onDisk(database) }),
      files: dashboard,
      ownNames: ownHosts,
      reach: () => options.reach ?? (certificates === undefined ? "loopback" : "public"),
      isTrusted: createTrust(options.trustedProxies),
      refusePeer: () => undefined,
      dashboard: (): string => new URL(`http://${domain}:${plane.url.port}/`).href,
      clock,
      log,
    }),
  );
  let isLeft = false;
  const secured =
    options.https && certificates
      ? { ...certificates.tls(), port: httpsPort ?? 0, http2: options.https.http2 }
      : undefined;
  const plane = lasting.use(
    createFailoverPlane(
      {
        ...address,
        https: secured,
        ...(held && listeningOn(held, secured)),
        directory: paths.root,
        trustedProxies: options.trustedProxies,
        proxyProtocol: options.proxyProtocol,
        fields: {
          target: "x-slum-server",
          attempts: "x-slum-attempts",
          error: "x-slum-error",
          passed: "X-Slum-Passed",
          selector: undefined,
        },
        refusalField: "x-ten-error",
        overwritten: OVERWRITTEN,
        requestTimeoutMs: REQUEST_TIMEOUT_MS,
        streamIdleTimeoutMs: STREAM_IDLE_TIMEOUT_MS,
        clock,
        guard,
        ...(options.limits && { limits: options.limits }),
        hooks: {
          find: routes.find,
          onNotice(text, server) {
            log.warn(text);
            if (server === undefined || isLeft) return;
            void registry
              .tryWrite((writer) => writer.event("request.failed", { server }, text))
              .catch(() => {});
          },
          onDefect: (error) => log.error(`internal error in the proxy: ${messageOf(error)}`),
          own: (request, info) =>
            isLeft
              ? new Response(null, { status: 503, headers: { "retry-after": "2" } })
              : (answerTlsCheck(request, info.peer, isOurs) ?? admin.own(request, info)),
          onTrouble(id) {
            if (!isLeft) fleet.doubt(id);
          },
          onDelivery(id) {
            if (!isLeft && fleet.find(id)?.standing.status === "offline") fleet.hope(id);
          },
          async verdict(id) {
            if (isLeft) return undefined;
            const found = await fleet.verdict(id, VERDICT_MS);
            return found && (found === "online" ? "up" : "down");
          },
        },
      },
      createUpstream({ clock, limits: { maxInFlight: IN_FLIGHT_MAX } }),
    ),
  );
  const history = opened.use(
    createTrafficHistory({
      clock,
      journal: openTrafficJournal(paths.traffic, clock, log.warn),
      traffic: plane.traffic,
      takeOwn: plane.takeOwn,
      groupsOf,
      isLasting,
    }),
  );
  control.attach(plane);

  const listeners = opened.use(await admin.listen(paths.socket, options.admin));
  held?.served();

  const owned = opened.move();
  const outlasting = lasting.move();
  return {
    url: plane.url,
    httpsUrl: plane.httpsUrl,
    socket: paths.socket,
    adminUrl: listeners.url,
    registry: {
      name: shownDatabase(database),
      servers: registry.servers.size,
      tenants: registry.tenants.size,
    },
    async close(signal) {
      admin.endSessions();
      if (signal === "SIGQUIT" && held !== undefined) {
        isLeft = true;
        // The next start has everything else at once; visitors are served here until it serves them.
        await owned.disposeAsync();
        await atMost(clock, HAND_OVER_MS, served);
      }
      await plane.close(CLOSE_MS);
      await owned.disposeAsync();
      await outlasting.disposeAsync();
    },
  };
}

/** Holds the listening sockets until `lasting` ends, and for the next start: those of the manager, of who served here, or new ones. */
async function holdListening(
  { host, port, https, environment, clock }: ServeOptions,
  inherited: PassedSockets,
  directory: string,
  lasting: AsyncDisposableStack,
) {
  const address = inherited.unit?.address ?? { host, port };
  const httpsPort = https && (inherited.httpsUnit?.address.port ?? https.port);
  const served = Promise.withResolvers<void>();
  const held = await holdSockets({
    ...address,
    httpsPort,
    directory,
    clock,
    inherited,
    async claim(at, flags) {
      probePort(address.host, at, flags);
      return { isShared: false, [Symbol.dispose]() {} };
    },
    onServed: served.resolve,
  });
  if (held === undefined) probePort(address.host, address.port);
  else {
    lasting.use(held);
    const all = [held.http.socket, ...(held.https ? [held.https.socket] : [])];
    keepInStore(createNotifier(environment.NOTIFY_SOCKET), all, inherited);
  }
  return { address, httpsPort, held, served: served.promise };
}

/**
 * The receiver `default` of `serve --webhook`. A private address written out on the command line of the server itself is
 * meant; a name that leads to one is not.
 */
async function ensureWebhook(
  registry: Registry,
  url: string,
  { webhookSecret }: DataPaths,
  { log, clock }: Pick<ServeOptions, "log" | "clock">,
): Promise<void> {
  const id = "default";
  const allowPrivate = isIP(unbracketed(new URL(url).hostname)) > 0;
  const secret = await registry.write((writer) => {
    const known = registry.webhooks.get(id);
    if (known?.url === url) return known.secret;
    if (known) writer.webhooks.change(known, { url, allowPrivate, disabled: null });
    const fresh = known?.secret ?? newSecret();
    if (!known) {
      const row = writer.webhooks.add({ id, url, allowPrivate, secret: fresh, createdAt: clock.now() });
      const nowMs = registry.now();
      tellBegun(writer, row, underWay(registry.alerts, registry.servers, nowMs, clock.now()), nowMs);
    }
    writer.event("webhook.added", {}, `${id} ${shownReceiver(url)}`);
    return fresh;
  });
  // Another slum on the same registry may have made it: each has the secret in its own data directory.
  writeSecret(webhookSecret, secret);
  log.info(`webhooks go to ${shownReceiver(url)}; their signing secret is in ${webhookSecret}`);
}
