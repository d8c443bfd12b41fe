// What `install` and `uninstall` of both programs do: a systemd unit written, started, and taken away again.
import { chownSync, mkdirSync, rmSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { withVariables } from "../core/environment-file.ts";
import { Fault, messageOf } from "../core/fault.ts";
import { parseLabel } from "../core/name.ts";
import { quote } from "../core/quote.ts";
import { shellWord } from "../core/shell-words.ts";
import { dataDirOfUnit, type UnitSpec, unitText } from "../core/unit-file.ts";
import { executableWords } from "../platform/executable.ts";
import { userEntry } from "../platform/process/account.ts";
import { readWords } from "../platform/process/proc.ts";
import { readIfThere, writeAtomic } from "../platform/storage/atomic-file.ts";
import { makePrivateDirectory } from "../platform/storage/data-directory.ts";
import { hasPassword } from "../platform/storage/postgres-url.ts";
import { createSystemd, lingers, type Scope, type Systemd } from "../platform/systemd/systemd.ts";
import { type Args, flag, option, type Values } from "./argument.ts";
import { type Context, labelOf } from "./command.ts";
import type { Output } from "./output.ts";
import { refuseIdleFlags } from "./serve.ts";

const FIRST_FREE_PORT = 1024;

/** Which unit is meant. */
export const unitArgs = {
  name: option("The unit's name, where one machine has several; that of the program unless given", {
    hint: "NAME",
    read: (text: string, label: string) => parseLabel(text, label.replace(/^--/, "")),
  }),
  userUnit: flag("For the systemd of this user, without root"),
  force: flag("Also when the unit there was not written by install"),
};

export const installArgs = {
  ...unitArgs,
  user: option("Who it runs as; the owner of the configuration unless given", { hint: "USER" }),
  print: flag("Print the unit and change nothing"),
  writeOnly: flag("Write the unit, but neither enable nor start it"),
};

/** What the program knows of the unit; the rest is for the flags to say. */
export interface Plan extends Omit<UnitSpec, "program" | "name" | "scope" | "environmentFile"> {
  /** Variables that nobody else is to read: they go into the environment file, as every user can read a unit. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Makes what the unit needs, once nothing speaks against writing it. */
  prepare?(): Promise<void>;
}

/** The same arguments, checked at once but kept as they were written, for another command line. */
export function asWritten(args: Args): Args {
  const entries = Object.entries(args).map(([name, arg]) => {
    const read = (texts: readonly string[], label: string) => {
      arg.read(texts, label);
      return texts;
    };
    return [name, { ...arg, read }];
  });
  return Object.fromEntries(entries);
}

/** Their flags again, with files absolute. Secrets do not belong where every user can read them. */
export function flagWords(args: Args, values: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(args).flatMap(([name, arg]) => {
    const label = labelOf(name, arg);
    return (values[name] as readonly string[]).flatMap((text) => {
      if (text.includes("://") && hasPassword(text))
        throw new Fault(
          "usage",
          `${label} has a password in it, and every user can read a unit`,
          "leave it out, and put the variable for it into the file behind EnvironmentFile= that --print shows",
        );
      const isFile = /\b(FILE|DIR|DB)\b/.test(arg.valueHint ?? "") && !text.includes("://");
      if (arg.type === "boolean") return [text === "" ? label : `${label}=${text}`];
      if (!isFile) return [label, text];
      return [
        label,
        arg.many
          ? text
              .split(",")
              .map((one) => resolve(one.trim()))
              .join(",")
          : resolve(text),
      ];
    });
  });
}

/** The text of one of them that is given once. */
export function written(values: Readonly<Record<string, unknown>>, name: string): string | undefined {
  return (values[name] as readonly string[])[0];
}

/** Whether a port among them, or else the one that is configured, is one that only root may open. */
export function isLowPort(values: Readonly<Record<string, unknown>>, configured?: number): boolean {
  const isLow = (name: string, usual: number) => Number(written(values, name) ?? usual) < FIRST_FREE_PORT;
  const isHttps = (values.https as readonly string[]).length > 0;
  return isHttps
    ? isLow("port", configured ?? 80) || isLow("httpsPort", 443)
    : isLow("port", configured ?? FIRST_FREE_PORT);
}

interface Place {
  readonly scope: Scope;
  readonly systemd: Systemd;
  readonly name: string;
  readonly unit: string;
  readonly path: string;
}

function placeOf({ env, signal, program }: Context, { name, userUnit }: Values<typeof unitArgs>): Place {
  const scope = userUnit ? "user" : "system";
  const systemd = createSystemd(scope, env, signal);
  const unit = `${name ?? program.name}.service`;
  return { scope, systemd, name: name ?? program.name, unit, path: join(systemd.directory, unit) };
}

/** Writes the unit and starts it; the same once more, nothing. Killed half-way, the next run does the rest. */
export async function install(
  context: Context & { readonly args: Values<typeof installArgs> },
  plan: Plan,
): Promise<number> {
  const { args, out, program } = context;
  refuseIdleFlags(args);
  const place = placeOf(context, args);
  const { scope, systemd, unit, path } = place;
  const { secrets = {}, prepare, ...more } = plan;
  const spec = specOf(place, program.name, more);
  const text = unitText(spec);
  const names = Object.keys(secrets);
  if (args.print) {
    out.data({ unit, path, text, environment: names }, () => text);
    if (names.length > 0)
      out.hint(`install writes ${names.join(", ")} into ${spec.environmentFile}, mode 600`);
    return 0;
  }
  await systemd.demand();
  demandRoot(place, context, "install");
  const before = readIfThere(path);
  if (before !== undefined) refuseOther(before, spec, path, args.force);
  await prepare?.();
  if (scope === "system") prepareDataDir(spec.dataDir, spec.user);
  const environment = readIfThere(spec.environmentFile) ?? "";
  const wanted = withVariables(environment, secrets);
  if (wanted !== environment) writeUnit(spec.environmentFile, wanted, 0o600);
  const changes = [
    ...differences(before ?? "", text),
    ...(wanted === environment ? [] : [`+ ${names.join(", ")} in ${spec.environmentFile}`]),
  ];
  const changed = changes.length > 0 || !(await isInForce(systemd, unit, spec.words, args.writeOnly));
  if (before !== text) writeUnit(path, text, 0o644);
  if (changed) await putInForce(context, place);
  const { user, dataDir } = spec;
  out.data({ unit, path, changed, changes, started: !args.writeOnly, user, data_dir: dataDir }, () =>
    changed && before !== undefined ? changes.map((line) => `${line}\n`).join("") : "",
  );
  if (!changed) out.info(`nothing to do: ${unit} is installed${args.writeOnly ? "" : " and runs"}`);
  else report(context, place, spec, before === undefined ? "installed" : "replaced");
  return 0;
}

function specOf(
  { scope, systemd, name }: Place,
  program: string,
  plan: Omit<Plan, "secrets" | "prepare">,
): UnitSpec {
  const environmentFile =
    scope === "system" ? `/etc/default/${name}` : join(systemd.directory, "../..", `${name}.env`);
  const spec: UnitSpec = { ...plan, program, name, scope, environmentFile };
  refuseLineBreaks(spec);
  return spec;
}

async function putInForce(
  { args, out }: Context & { readonly args: Values<typeof installArgs> },
  { systemd, unit }: Place,
): Promise<void> {
  await systemd.systemctl("daemon-reload");
  if (args.writeOnly) return;
  using _ = out.progress(`starting ${unit}`);
  await systemd.systemctl("enable", unit);
  // A running server is replaced, and leaves its instances to the new one.
  await systemd.systemctl("restart", unit);
}

function report(
  { args, out, env }: Context & { readonly args: Values<typeof installArgs> },
  { scope, name, unit, path }: Place,
  { user }: UnitSpec,
  done: string,
): void {
  out.success(`${unit} is ${done}${args.writeOnly ? "" : ` and runs as ${user}`}: ${path}`);
  const scoped = scope === "user" ? "--user " : "";
  if (args.writeOnly) out.hint(`start it, now and with the machine: systemctl ${scoped}enable --now ${name}`);
  else out.hint(`what it says: journalctl ${scoped}-u ${name} -f`);
  if (scope === "user" && !lingers(env.USER ?? user))
    out.hint("it runs while you are logged in; always, with: loginctl enable-linger");
}

/** Stops the server with all that it runs and removes the unit; data stays. Killed half-way, the next run does the rest. */
export async function uninstall(
  context: Context & { readonly args: Values<typeof unitArgs> },
): Promise<number> {
  const { args, out } = context;
  const place = placeOf(context, args);
  const { systemd, unit, path } = place;
  const text = readIfThere(path);
  if (text === undefined) {
    out.info(`nothing to do: there is no ${path}`);
    out.data({ unit, path, removed: false, data_dir: null }, () => "");
    return 0;
  }
  const dataDir = dataDirOfUnit(text);
  if (dataDir === undefined && !args.force) throw foreign(path);
  await systemd.demand();
  demandRoot(place, context, "uninstall");
  using progress = out.progress(`stopping ${unit}`);
  await systemd.systemctl("disable", "--now", unit);
  rmSync(path, { force: true });
  await systemd.systemctl("daemon-reload");
  progress.done();
  out.data({ unit, path, removed: true, data_dir: dataDir ?? null }, () => "");
  out.success(`${unit} is stopped and removed`);
  if (dataDir !== undefined) out.hint(`registry, logs and data stay in ${dataDir}`);
  return 0;
}

/** The line to paste names the executable, as sudo has a PATH of its own, and all that was written. */
function demandRoot({ scope }: Place, { program, argv }: Context, command: string): void {
  if (scope === "user" || process.getuid?.() === 0) return;
  const own = [...executableWords(), ...(program.name === "ten" ? [] : [program.name])];
  throw new Fault(
    "forbidden",
    "a unit of this machine is root's to write",
    `sudo ${[...own, ...argv].map(shellWord).join(" ")}; or one of your own: ${program.name} ${command} --user-unit`,
  );
}

/** systemd reads lines, and no quoting keeps a line break in one. */
function refuseLineBreaks({ words, directory, dataDir }: UnitSpec): void {
  const bad = [...words, directory, dataDir].find((text) => /\p{Cc}/u.test(text));
  if (bad !== undefined)
    throw new Fault("usage", `${quote(bad)} has a control character, which no unit can hold`, "rename it");
}

function refuseOther(text: string, { dataDir, program }: UnitSpec, path: string, force: boolean): void {
  const theirs = dataDirOfUnit(text);
  if (force || theirs === dataDir) return;
  if (theirs === undefined) throw foreign(path);
  throw new Fault(
    "conflict",
    `${path} serves another data directory, ${quote(theirs)}`,
    `give this one a name of its own: ${program} install --name NAME; or replace that one with --force`,
  );
}

function foreign(path: string): Fault {
  return new Fault(
    "conflict",
    `${path} was not written by install`,
    "look at it; --force takes it all the same",
  );
}

/** A user for a server or a service, without a home and a login. */
export async function addSystemUser(user: string, out: Output): Promise<void> {
  const words = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"];
  const child = Bun.spawn(["useradd", ...words, "--shell", "/usr/sbin/nologin", user], {
    ...{ stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  });
  const [said, code] = await Promise.all([child.stderr.text(), child.exited]);
  if (code !== 0)
    throw new Fault(
      "conflict",
      `the user ${user} cannot be added: ${said.trim() || `useradd ended with code ${code}`}`,
      "add it by hand, or name another one",
    );
  out.info(`added the user ${user}`);
}

/** Where root would make a directory that the user could not use, it is made the user's at once. */
function prepareDataDir(path: string, user: string): void {
  const entry = userEntry(user);
  if (!entry)
    throw new Fault(
      "not_found",
      `there is no user ${quote(user)} on this machine`,
      `add one: useradd --system ${user}`,
    );
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) {
    makePrivateDirectory(path);
    chownSync(path, entry.uid, entry.gid);
  } else if (entry.uid !== 0 && stats.uid !== entry.uid) {
    const owner = userEntry(String(stats.uid))?.name ?? stats.uid;
    throw new Fault(
      "conflict",
      `the data directory ${quote(path)} belongs to ${owner}, so ${user} could not use it`,
      `chown -R ${user}: ${path}, or run it as its owner: --user ${owner}`,
    );
  }
}

/** Whether systemd has the unit as it is written, and, unless it only had to be written, its process as the unit says. */
async function isInForce(
  systemd: Systemd,
  unit: string,
  words: readonly string[],
  writtenOnly: boolean,
): Promise<boolean> {
  const { active, enabled, stale, mainPid } = await systemd.state(unit);
  if (stale) return false;
  return writtenOnly || (active && enabled && readWords(mainPid)?.join("\0") === words.join("\0"));
}

function writeUnit(path: string, text: string, mode: number): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeAtomic(path, text, mode);
  } catch (thrown) {
    throw new Fault(
      "internal",
      `cannot write ${path}: ${messageOf(thrown)}`,
      "check the disk and who may write there",
    );
  }
}

/** The lines that go, then those that come. */
function differences(before: string, after: string): string[] {
  const [old, now] = [before.split("\n"), after.split("\n")];
  return [
    ...old.filter((line) => !now.includes(line)).map((line) => `- ${line}`),
    ...now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`),
  ];
}
