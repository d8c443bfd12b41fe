// A tenement.toml as a person would write it, and the text of one more service.
import type { Found } from "./survey.ts";

export interface Service {
  readonly name: string;
  /** Where it is started; undefined: where the file lies. */
  readonly workdir: string | undefined;
  readonly found: Found;
  readonly envFile: string | undefined;
}

/** The whole file. */
export function configText(services: readonly Service[]): string {
  const [first] = services;
  return `# What ten runs here. Start it with: ten serve
# All keys with what they are set to: ten config
# Commands are split into words as a shell does, but no shell runs them. {port} is a free port, which the app also finds in PORT.
# Others: {version} {id} {name} {data_dir} {instance_dir} {shared_dir}

${services.map(serviceText).join("\n")}
[instances]
${services.map(({ name }) => `${name} = ["v1"]`).join("\n")}   # started once, the first time

# [routing]
# default = "${first?.name}"   # what answers at the server's own address
`;
}

/** The same file with one service more, started with the next reload. */
export function withService(text: string, service: Service): string {
  const base = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  const line = `${service.name} = ["v1"]\n`;
  const hasTable = /^\[instances\][^\n]*\n/m.test(base);
  const listed = hasTable ? base.replace(/^\[instances\][^\n]*\n/m, (heading) => heading + line) : base;
  return `${listed}\n${serviceText(service)}${hasTable ? "" : `\n[instances]\n${line}`}`;
}

function serviceText({ name, workdir, found, envFile }: Service): string {
  const { command, args, env = {}, health, startupTimeout, beforeStart, isWorker = false } = found;
  const text = (value: string) => JSON.stringify(value);
  const lines = [
    `[service.${name}]`,
    `command = ${text(command)}`,
    ...(args === undefined ? [] : [`args = [${args.map(text).join(", ")}]`]),
    ...(beforeStart === undefined
      ? []
      : [`before_start = ${text(beforeStart)}   # before each start of an instance`]),
    ...(workdir === undefined
      ? ["# Each version in a directory of its own:", '# workdir = "releases/{version}"']
      : [`workdir = ${text(workdir)}`]),
    ...(isWorker ? ['port = "none"   # a worker: it runs, and no requests go to it'] : []),
    ...(isWorker
      ? []
      : health === undefined
        ? ["# Without it, an instance is healthy when it accepts connections:", '# health = "/health"']
        : [`health = ${text(health)}`]),
    ...(startupTimeout === undefined ? [] : [`startup_timeout = ${startupTimeout}   # seconds`]),
    ...(envFile === undefined
      ? []
      : [`env_file = ${text(envFile)}   # read at each start; for its owner alone: chmod 600`]),
    ...(isWorker ? [] : ['# domains = ["app.example.com"]']),
    "",
    `[service.${name}.env]`,
    ...Object.entries(env).map(([key, value]) => `${key} = ${text(value)}`),
    '# DATABASE_PATH = "{shared_dir}/app.db"   # one for all versions; {instance_dir} is one for each instance',
  ];
  return `${lines.join("\n")}\n`;
}
