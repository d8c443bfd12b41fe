// `ten serve` put together: what is opened in which order, and how it all ends.
import { createActing } from "../api/acting.ts";
import { openAdmin } from "../api/open-admin.ts";
import { answerTlsCheck } from "../api/tls-check.ts";
import { createTokens } from "../api/tokens.ts";
import type { Certificates } from "../certificates/open-certificates.ts";
import { type CommonServeOptions, HTTPS_PORT, type Served } from "../cli/serve.ts";
import { messageOf } from "../core/fault.ts";
import { parseInstance } from "../core/name.ts";
import { createTrust } from "../core/trusted-proxies.ts";
import { sameBuildWords } from "../platform/executable.ts";
import type { Log } from "../platform/log.ts";
import { guardAccepting } from "../platform/net/accept-guard.ts";
import { createProcesses } from "../platform/process/process.ts";
import { createUsageMeter } from "../platform/process/usage.ts";
import { claimToServe } from "../platform/storage/data-directory.ts";
import { keepGoodCopy, openDatabase } from "../platform/storage/database.ts";
import { stampLog } from "../platform/storage/log-stamp.ts";
import { openSecretBox } from "../platform/storage/secret-box.ts";
import { keepInStore, passedSockets } from "../platform/systemd/listen-fds.ts";
import { createNotifier } from "../platform/systemd/notify.ts";
import { LINK_PARAMETER } from "../proxy/front/link.ts";
import { createTrafficHistory } from "../proxy/traffic-history.ts";
import { openTrafficJournal } from "../proxy/traffic-journal.ts";
import { createUpstream } from "../proxy/upstream/upstream.ts";
import { createOutbox } from "../webhooks/outbox.ts";
import { createReceivers } from "../webhooks/receivers.ts";
import { adoptTokenFile, guard, refuseInstance, warningsOf } from "./api/auth.ts";
import { contract, oldNames } from "./api/contract.ts";
import { dashboard } from "./api/dashboard.ts";
import { createHandlers } from "./api/handlers.ts";
import { metricsPage } from "./api/metrics.ts";
import { groupsIn, isLasting } from "./api/traffic-groups.ts";
import { createView } from "./api/view.ts";
import { type Config, limitsOf, workersOf } from "./config/config.ts";
import { describeWithoutSecrets } from "./config/describe.ts";
import { dataPaths } from "./config/paths.ts";
import { recordServer } from "./config/server-record.ts";
import { openHttps } from "./https.ts";
import { createControl } from "./operations/control.ts";
import { migrations } from "./registry/migrations.ts";
import { createRegistry, type Registry } from "./registry/registry.ts";
import { openPlane } from "./routing/open-plane.ts";
import { createServedHosts } from "./routing/served-hosts.ts";
import { AFTER_STOP_MS } from "./supervisor/after-stop.ts";

export interface ServeOptions extends CommonServeOptions {
  readonly config: Config;
  /** Reads the configuration again. */
  readConfig(): Config;
  /** Serves https too; undefined: http only. */
  readonly https?: { readonly port: number; readonly isStaging: boolean } | undefined;
}

/** Its `close` ends all instances; after SIGQUIT they are left running for the next start. */
export interface Server extends Required<Served> {
  /** Where the dashboard is. */
  readonly dashboard: string;
}

const USAGE_EVERY_MS = 2_000;
const ADMIN_LABEL = "ten";
/** What an end takes besides the waits that are configured. */
const END_MARGIN_MS = 10_000;

/** Opens everything or nothing: what was opened before a failure is closed again. Throws a Fault that says what is in the way. */
export async function serve(options: ServeOptions): Promise<Server> {
  const { config, clock, domain, log, version } = options;
  const paths = dataPaths(config.settings.dataDir);
  const { NOTIFY_SOCKET } = options.environment;
  const manager = createNotifier(NOTIFY_SOCKET);
  const sockets = passedSockets(options.environment, { httpsPort: options.https?.port });
  const address = sockets.unit?.address ?? { host: options.host, port: options.port };
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await claimToServe(paths, { ...options, program: "ten" }));
  const acceptGuard = opened.use(guardAccepting(clock, log.warn));
  const database = opened.use(openDatabase(paths.database, migrations));
  stampLog(database);
  const acting = createActing();
  const box = openSecretBox(paths.registryKey);
  const registry = createRegistry(database, clock, log.warn, acting, true, box);
  await adoptTokenFile(registry, paths, config, { clock, log });
  opened.use(keepGoodCopy(database, clock, log.warn));
  const processes = opened.use(createProcesses(clock));
  const workers = workersOf(config.settings);
  const { selectorFrom, directFrom } = rightsOf(config, registry, log);
  const control = createControl({
    registry,
    workers,
    processes,
    clock,
    config,
    readConfig: options.readConfig,
    domain,
    environment: options.environment,
    onTrouble: log.warn,
    program: sameBuildWords(),
  });
  opened.defer(() => control.supervisor.leaveAll());
  opened.use(control);

  const { inForce } = control;
  const adminHost = `${ADMIN_LABEL}.${domain}`;
  const hosts = createServedHosts({
    domain,
    adminHost,
    config: control.config,
    hasInstance: (service, id) => registry.find(service, id) !== undefined,
    hasCertificate: (host) => certificates?.served.has(host) ?? false,
    port: () => inForce.url?.port ?? address.port,
    httpsUrl: () => inForce.httpsUrl,
  });
  const meter = createUsageMeter(clock);
  let usage = meter.measure(new Set());
  opened.defer(
    clock.every(USAGE_EVERY_MS, () => {
      usage = meter.measure(new Set(registry.list().flatMap((row) => row.pid ?? [])));
    }),
  );
  const history = opened.use(
    createTrafficHistory({
      clock,
      traffic: inForce.traffic,
      takeOwn: inForce.takeOwn,
      groupsOf: groupsIn(registry),
      isLasting,
      journal: openTrafficJournal(paths.traffic, clock, log.warn),
    }),
  );
  const outbox = opened.use(
    createOutbox({
      store: registry.outbox,
      program: ADMIN_LABEL,
      source: `${ADMIN_LABEL} ${domain}`,
      senderId: registry.id,
      clock,
      log,
      upstream: opened.use(createUpstream({ clock })),
    }),
  );
  const receivers = createReceivers({
    ...{ store: registry.outbox, outbox, program: ADMIN_LABEL, removeWord: "remove", clock, log },
    underWay: registry.outbox.underWay,
  });
  await receivers.sealAll().catch((thrown) => log.warn(messageOf(thrown)));
  const view = createView({
    registry,
    supervisor: control.supervisor,
    routes: control.routes,
    history,
    traffic: inForce.traffic,
    usage: () => usage,
    differs: control.differs,
    nextRun: control.nextRun,
    monotonic: clock.monotonic,
    urlOf: (service, id) => `${hosts.siteOf(`${id}.${service}.${domain}`)}/`,
  });
  const certificates: Certificates | undefined =
    options.https === undefined ? undefined : opened.use(await openCertificates());
  const usualReach = certificates === undefined ? "loopback" : "public";
  const tokens = createTokens(ADMIN_LABEL, registry.tokens, clock);
  const admin = opened.use(
    openAdmin({
      name: ADMIN_LABEL,
      version,
      contract,
      oldNames,
      handlers: (loginCode) =>
        createHandlers({
          control,
          view,
          history,
          now: clock.now,
          linkUrl: (service, token) => `${hosts.siteOf(`${service}.${domain}`)}/?${LINK_PARAMETER}=${token}`,
          describeConfig: (isShown) => ({
            ...describeWithoutSecrets(control.config(), isShown),
            domain,
            url: inForce.url?.href,
          }),
          metrics: (isShown, rollouts) =>
            metricsPage(
              view.standing(isShown),
              isShown,
              inForce.traffic(),
              history,
              rollouts,
              version,
              registry.outbox.deliveries.size,
              certificates,
            ),
          loginCode,
          tokens,
          receivers,
          accessLog: paths.accessLog,
          clock,
          warningsOf: (row) => warningsOf(control.config(), row),
          certificates: certificates?.desk,
          hostsOf: hosts.of,
        }),
      tokens,
      acting,
      guard,
      note: (kind, detail) => registry.audit(kind, detail),
      kept: () => registry.kept(),
      // With all that was found out: deploy.failed.
      isToldOtherwise: ({ code }, operation) => code === "unhealthy" && operation === "deploy",
      files: dashboard,
      ownNames: new Set(["localhost", domain, adminHost]),
      reach: () => options.reach ?? control.config().settings.admin ?? usualReach,
      isTrusted: createTrust(config.settings.trustedProxies),
      maySelect: createTrust(selectorFrom),
      refusePeer: (credentials) => refuseInstance(registry, control.config(), credentials),
      dashboard: hosts.dashboardUrl,
      clock,
      log,
    }),
  );

  const plane = opened.use(
    await control.open((first) =>
      openPlane(
        {
          workers,
          inherited: sockets,
          onHeld: ({ http, https }) =>
            keepInStore(manager, [http.socket, ...(https ? [https.socket] : [])], sockets),
          viaName: `ten-${Bun.hash(registry.id).toString(36)}`,
          directory: paths.root,
          processes,
          version,
          say: log.warn,
          ...address,
          ...(certificates && {
            https: {
              ...certificates.tls(),
              port: sockets.httpsUnit?.address.port ?? options.https?.port ?? 0,
              http2: config.settings.http2,
            },
          }),
          domain,
          directHosts: true,
          adminHost,
          trustedProxies: config.settings.trustedProxies,
          proxyProtocol: config.settings.proxyProtocol,
          selectorFrom,
          directFrom,
          guard: acceptGuard,
          limits: limitsOf(config.settings),
          accessLog: {
            ...config.settings.accessLog,
            path: config.settings.accessLog.to === "stdout" ? undefined : paths.accessLog,
          },
          fields: {
            target: "x-ten-instance",
            attempts: "x-ten-attempts",
            error: "x-ten-error",
            passed: "X-Ten-Passed",
            selector: "X-Tenement-Instance",
            shadow: "X-Ten-Shadow",
          },
          hooks: {
            own: (request, info) =>
              answerTlsCheck(request, info.peer, hosts.serves) ?? admin.own(request, info),
            onTrouble: (target) => control.supervisor.doubt(target),
            onWanted: control.wanted,
            onNotice(text, target) {
              log.warn(text);
              if (target === undefined) return;
              const { service, id } = parseInstance(target);
              registry.note(service, id, "request.failed", text);
            },
            onDefect: (error) => log.error(`internal error in the proxy: ${messageOf(error)}`),
          },
          clock,
        },
        first,
      ),
    ),
  );

  function openCertificates() {
    return openHttps({
      config,
      isStaging: options.https?.isStaging ?? false,
      httpsPort: () => Number(inForce.httpsUrl?.port || HTTPS_PORT),
      domain,
      dataDir: paths.root,
      version,
      environment: options.environment,
      clock,
      log,
      hosts: hosts.all,
      serves: hosts.serves,
      note: (kind, detail) => registry.note("", null, kind, detail),
    });
  }

  const listeners = opened.use(await admin.listen(paths.socket, options.admin));
  opened.use(recordServer(config.path, paths.root, options.environment));
  directory.keep();

  const owned = opened.move();
  return {
    url: plane.url,
    httpsUrl: plane.httpsUrl,
    dashboard: hosts.dashboardUrl(),
    socket: paths.socket,
    adminUrl: listeners.url,
    settled: control.settle(),
    longestEndMs: () =>
      END_MARGIN_MS +
      longest(control.config(), "drainTimeoutMs") +
      longest(control.config(), "stopGraceMs") +
      ([...control.config().services.values()].some((one) => one.afterStop) ? AFTER_STOP_MS : 0),
    async reload() {
      try {
        const { differences, later, orphaned } = await control.reload(
          false,
          () => {},
          new AbortController().signal,
        );
        certificates?.refresh();
        for (const { key, before, after } of differences)
          log.info(`reload: ${key}: ${before ?? "-"} -> ${after ?? "-"}`);
        for (const key of later) log.warn(`reload: ${key} is taken at the next start of ten serve`);
        if (differences.length === 0) log.info("reload: nothing changed");
        for (const name of orphaned)
          log.warn(`reload: ${name} has no service any more and runs on without traffic`);
      } catch (thrown) {
        log.warn(`reload: nothing was changed: ${messageOf(thrown)}`);
      }
    },
    async close(signal) {
      const isLeaving = signal === "SIGQUIT";
      admin.endSessions();
      const deadlineMs = longest(control.config(), "drainTimeoutMs");
      const left = isLeaving ? await plane.leave(deadlineMs) : undefined;
      if (!isLeaving) {
        await plane.close(deadlineMs);
        await control.supervisor.endAll();
      }
      // The next start has everything else at once; what is in flight here finishes beside it.
      await owned.disposeAsync();
      await left?.finished;
    },
    async kill() {
      await Promise.all([control.supervisor.killAll(), plane.close(0)]);
    },
  };
}

/** Whose peers may route by a field, and see what is not everybody's. */
function rightsOf({ settings, services }: Config, registry: Registry, log: Log) {
  const { trustedProxies, selectorFrom, directFrom } = settings;
  if (selectorFrom !== undefined || !registry.isOlderThanSelectors)
    return { selectorFrom: selectorFrom ?? [], directFrom };
  log.warn(
    'selector_from is not in tenement.toml: as in earlier versions, whoever is in trusted_proxies may route by X-Tenement-Instance. Write who may: selector_from = ["192.0.2.7"], the addresses of your slums, or [] for nobody',
  );
  const hasTrusted = [...services.values()].some(({ policy }) => policy.direct === "trusted");
  const isOpenAsBefore = hasTrusted && directFrom.length === 0;
  return { selectorFrom: trustedProxies, directFrom: isOpenAsBefore ? trustedProxies : directFrom };
}

function longest({ services }: Config, time: "drainTimeoutMs" | "stopGraceMs"): number {
  return Math.max(0, ...[...services.values()].map((service) => service[time]));
}
