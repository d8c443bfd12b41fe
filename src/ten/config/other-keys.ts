// Keys of other tools (compose, pm2, systemd, PaaS files), with what to write here.

const COMMAND = 'write command = "..."';
const INSTANCES = "several instances of a version: instances = 3, or ten deploy SERVICE --instances 3";
const ENVIRONMENT = "variables are a table of their own: [service.NAME.env], or env_file";
const WORKDIR = 'write workdir = "..."';
const HEALTH = 'write health = "/health", a path that is answered with 200 to 399';
const DOMAINS = 'write domains = ["app.example.com"]; SERVICE.DOMAIN is its host without it';
const MEMORY = "write memory_limit_mb = 512";
const RESTART = 'write restart = "on-failure", "always" or "never"';
const STORAGE =
  "an app keeps files in {shared_dir}, for all versions, or {instance_dir}; no volumes are needed";
const LISTEN = "visitors come to ten serve, whose flags --host and --port say where";

const OF_SERVICE: Readonly<Record<string, string>> = {
  port: "each instance gets a free port: write {port} in command, or read PORT; visitors come to ten serve --port",
  ports:
    "each instance gets a free port: write {port} in command, or read PORT; visitors come to ten serve --port",
  expose:
    "each instance gets a free port: write {port} in command, or read PORT; visitors come to ten serve --port",
  listen:
    "each instance gets a free port: write {port} in command, or read PORT; visitors come to ten serve --port",
  script: 'write command = "node script.js"',
  cmd: COMMAND,
  exec: COMMAND,
  run: COMMAND,
  start: COMMAND,
  entrypoint: COMMAND,
  program: COMMAND,
  execstart: COMMAND,
  interpreter: 'it is the first word of command: command = "python3 app.py"',
  replicas: INSTANCES,
  scale: INSTANCES,
  count: INSTANCES,
  numprocs: INSTANCES,
  image: "there are no containers: command says what is run on this machine",
  build: "ten runs what your build has made: {version} in command or workdir says where",
  environment: ENVIRONMENT,
  envs: ENVIRONMENT,
  variables: ENVIRONMENT,
  secrets: 'write env_file = ".env", a file for its owner alone, read at each start',
  cwd: WORKDIR,
  dir: WORKDIR,
  directory: WORKDIR,
  working_dir: WORKDIR,
  workingdirectory: WORKDIR,
  healthcheck: HEALTH,
  health_check: HEALTH,
  health_path: HEALTH,
  health_check_path: HEALTH,
  domain: DOMAINS,
  host: DOMAINS,
  hosts: DOMAINS,
  hostname: DOMAINS,
  route: DOMAINS,
  url: DOMAINS,
  memory: MEMORY,
  mem_limit: MEMORY,
  memory_limit: MEMORY,
  max_memory_restart: MEMORY,
  cpus: "write cpu_shares = 1024, a part relative to others",
  cpu: "write cpu_shares = 1024, a part relative to others",
  autorestart: RESTART,
  restart_policy: RESTART,
  timeout:
    "write request_timeout (until an answer begins), startup_timeout (until it is healthy) or drain_timeout (until it is ended)",
  kill_timeout: "write stop_grace_period_secs = 10",
  stop_grace_period: "write stop_grace_period_secs = 10",
  volumes: STORAGE,
  mounts: STORAGE,
  depends_on: "order is by health: an app tries again until what it needs is there",
  networks: "instances listen on 127.0.0.1, and the proxy reaches them there",
  watch: "a new version is deployed: ten deploy SERVICE --version V",
  version: "a version is named when it is deployed: ten deploy SERVICE --version V",
  weight: "weights are set while it runs: ten weight SERVICE:ID 10",
  weights: "weights are set while it runs: ten weight SERVICE:ID 10",
  release_command: 'write before_start = "..."',
  pre_start: 'write before_start = "..."',
  log_file: "output is kept below the data directory: ten logs SERVICE",
  logs: "output is kept below the data directory: ten logs SERVICE",
  name: "the name is in the heading: [service.NAME]",
};

const OF_SETTINGS: Readonly<Record<string, string>> = {
  port: LISTEN,
  host: LISTEN,
  listen: LISTEN,
  bind: LISTEN,
  domain: "the domain is a flag: ten serve --domain example.com",
  token: "tokens are made by: ten token create NAME --scope admin",
  tls: "TLS stands in front: ten caddy --domain example.com",
  https: "TLS stands in front: ten caddy --domain example.com",
};

const OF_FILE: Readonly<Record<string, string>> = {
  services: "write [service.NAME], one table for each",
  apps: "write [service.NAME], one table for each",
  app: "write [service.NAME], one table for each",
  processes: "write [service.NAME], one table for each",
  env: ENVIRONMENT,
};

/** What to write in place of a key that is not known in the table at `path`; undefined: nobody's. */
export function otherKey(path: readonly string[], key: string): string | undefined {
  const table = path.length === 0 ? OF_FILE : path[0] === "settings" ? OF_SETTINGS : OF_SERVICE;
  const name = key.toLowerCase();
  return path.length <= 2 && path[0] !== "routing" && Object.hasOwn(table, name) ? table[name] : undefined;
}

const RESTART_POLICIES: Readonly<Record<string, string>> = {
  "unless-stopped": "always",
  no: "never",
  yes: "always",
  true: "always",
  false: "never",
  "on-abnormal": "on-failure",
  "on-abort": "on-failure",
};

/** What compose, pm2 and systemd call a restart policy, as we do. */
export function restartPolicy(value: unknown): string | undefined {
  const text = String(value);
  return text.startsWith("on-failure:") ? "on-failure, with max_restarts" : RESTART_POLICIES[text];
}
