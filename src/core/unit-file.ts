// A systemd unit for one of our servers, as text: each line that is not usual says why it is there.

export interface UnitSpec {
  /** `ten` or `slum`. */
  readonly program: string;
  /** What it serves, in a few words. */
  readonly description: string;
  /** Its name without `.service`. */
  readonly name: string;
  /** Started by the machine's systemd, or by that of one user. */
  readonly scope: "system" | "user";
  /** The command line that serves, its first word an absolute path. */
  readonly words: readonly string[];
  /** The command line that makes the running server read its configuration again; undefined where there is none. */
  readonly reload: readonly string[] | undefined;
  /** Where it is started, absolute. */
  readonly directory: string;
  /** What uninstalling leaves behind, absolute. */
  readonly dataDir: string;
  /** Who it runs as, in scope `system`. */
  readonly user: string;
  /** A file of environment variables, if there is one. */
  readonly environmentFile: string;
  /** It starts processes that are to outlive it. */
  readonly supervises: boolean;
  /** It makes control groups for them. */
  readonly delegates: boolean;
  /** It listens on a port below 1024. */
  readonly lowPort: boolean;
}

const WRITTEN_BY = "# Written by";
const OWN_SECTION = /^\[X-Ten\]\nDataDirectory=(.*)$/m;

/** The data directory of a unit that we wrote; undefined for another's. */
export function dataDirOfUnit(text: string): string | undefined {
  const found = text.startsWith(WRITTEN_BY) ? OWN_SECTION.exec(text)?.[1] : undefined;
  return found?.replaceAll("%%", "%");
}

export function unitText(spec: UnitSpec): string {
  const { program, name, scope, reload, words, directory, environmentFile, dataDir } = spec;
  const systemctl = scope === "user" ? "systemctl --user" : "systemctl";
  const system = scope === "system";
  const lines = [
    `${WRITTEN_BY} \`${program} install\`, which replaces it. Changes of your own go beside it: ${systemctl} edit ${name}`,
    "[Unit]",
    `Description=${literal(spec.description)}`,
    ...(system ? ["After=network-online.target", "Wants=network-online.target"] : []),
    "# It is tried again for as long as it takes.",
    "StartLimitIntervalSec=0",
    "",
    "[Service]",
    "# It says itself when it serves, and that it still does: one that hangs is replaced.",
    "Type=notify",
    "WatchdogSec=60",
    ...(system ? [`User=${spec.user}`] : []),
    `WorkingDirectory=${literal(directory)}`,
    `EnvironmentFile=-${literal(environmentFile)}`,
    `ExecStart=${commandLine(words)}`,
    ...(reload ? [`ExecReload=${commandLine(reload)}`] : []),
    "Restart=always",
    "RestartSec=1",
    "# systemd keeps the listening socket while nothing serves: connections wait for the next start instead of being refused.",
    "FileDescriptorStoreMax=4",
    ...(spec.supervises ? SUPERVISING : []),
    ...(spec.delegates
      ? ["# For memory_limit_mb and cpu_shares.", "Delegate=yes", `DelegateSubgroup=${program}-serve`]
      : []),
    ...(system && spec.lowPort && spec.user !== "root" ? LOW_PORT : []),
    "LimitNOFILE=524288",
    "TasksMax=infinity",
    ...(system ? (spec.supervises ? HARDENING : [...CLOSED, `ReadWritePaths=${pathWord(dataDir)}`]) : []),
    "",
    "[Install]",
    `WantedBy=${system ? "multi-user.target" : "default.target"}`,
    "",
    "[X-Ten]",
    `DataDirectory=${literal(dataDir)}`,
  ];
  return `${lines.join("\n")}\n`;
}

const SUPERVISING = [
  "# Only the server is signalled, never its instances: a stop lets it end them in order (SIGTERM), a restart leaves them",
  "# running for the next start to adopt (SIGQUIT), and when it dies they live on.",
  "KillMode=process",
  "RestartKillSignal=SIGQUIT",
  "# An instance that runs out of memory is restarted by the server; it is no reason to stop all of them.",
  "OOMPolicy=continue",
];

const LOW_PORT = [
  "# For the port below 1024; the instances have it, too.",
  "AmbientCapabilities=CAP_NET_BIND_SERVICE",
];

const HARDENING = [
  "# What no app needs. More would hold for the apps as well: sudo, sendmail or a GPU would fail in them.",
  "CapabilityBoundingSet=~CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_BOOT CAP_SYS_TIME CAP_SYSLOG CAP_MAC_ADMIN CAP_MAC_OVERRIDE",
];

/** A server that starts nothing needs little: it writes to its data directory only. */
const CLOSED = [
  "# It starts nobody else's programs.",
  "NoNewPrivileges=yes",
  "ProtectSystem=strict",
  "ProtectHome=read-only",
  "PrivateTmp=yes",
  "PrivateDevices=yes",
  "ProtectKernelTunables=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelLogs=yes",
  "ProtectControlGroups=yes",
  "ProtectClock=yes",
  "ProtectHostname=yes",
  "LockPersonality=yes",
  "RestrictNamespaces=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
  "SystemCallArchitectures=native",
  "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
];

/** `%` begins a specifier. */
function literal(text: string): string {
  return text.replaceAll("%", "%%");
}

/** systemd splits words as a shell does, and knows variables in all but the first. */
function commandLine([program = "", ...args]: readonly string[]): string {
  return [
    quoted(literal(program)),
    ...args.map((word) => quoted(literal(word).replaceAll("$", "$$$$"))),
  ].join(" ");
}

function pathWord(path: string): string {
  return quoted(literal(path));
}

function quoted(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
