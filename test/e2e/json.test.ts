// Every command with --json, as it is: the keys that docs/json.md lists and no others, times as RFC 3339.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { SLUM_ANSWERS, TEN_ANSWERS } from "../../json-answers.ts";
import { type Command, type Group, isGroup, type Program } from "../../src/cli/command.ts";
import { slum as slumProgram } from "../../src/slum/program.ts";
import { ten as tenProgram } from "../../src/ten/program.ts";
import { freePort } from "../support/free-port.ts";
import { jsonMisfits, keysWithoutUnit } from "../support/json-shape.ts";
import { startOrigin } from "../support/origin.ts";
import { writeRelease } from "../support/releases.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { startFleet } from "./fleet.ts";
import { type Slum, startSlum } from "./slum.ts";
import { beginTen, type Result, runTen, type Ten } from "./ten.ts";

/** Which answer, the words of the command, and its exit code where that is not 0. */
type Step = readonly [answer: string, words: readonly string[], exit?: number];

/** What only a machine of one's own can show: their keys are written down, and held by the types of what is printed. */
const NOT_RUN: ReadonlySet<string> = new Set([
  "install",
  "uninstall",
  "login",
  "cert add",
  "cert renew",
  "cert revoke",
  "cert rm",
  "chown",
  "demo",
  "restore",
]);
/** Numbers that count something, name something, or are the percentages `weight` and `share`. */
const COUNTS: ReadonlySet<string> = new Set(
  "after answers attempts bar before canary copies count deployed differing entries errors failed failures files in_flight instances last_minute listening max_entries max_slower more number odds pid port receivers rejections requests rescued restarts revoked rollout sample seen seq servers services shadow_first share skipped slow slums stable stalls status step steps tenants tokens total unroutable_total waiting webhooks weight".split(
    " ",
  ),
);

/** What a command printed that does not fit its answer. */
function misfits(answers: typeof TEN_ANSWERS, answer: string, { stdout, stderr }: Result): string[] {
  const shape = answers[answer];
  if (!shape) return [`${answer} is not documented`];
  const [line = "", ...more] = stdout.trim().split("\n");
  if (more.length > 0) return [`${answer}: more than one line`];
  const { schema, error, ...document } = JSON.parse(line || "{}") as Record<string, unknown>;
  if (error !== undefined || schema !== 1) return [`${answer}: ${line}${stderr}`];
  return jsonMisfits(shape, document).map((misfit) => `${answer}: ${misfit}`);
}

async function walk(
  answers: typeof TEN_ANSWERS,
  steps: readonly Step[],
  run: (...words: string[]) => Promise<Result>,
): Promise<{ readonly wrong: string[]; readonly seen: Set<string> }> {
  const wrong: string[] = [];
  const seen = new Set<string>();
  for (const [answer, words, exit = 0] of steps) {
    const result = await run(...words, "--json");
    seen.add(answer);
    if (result.exit !== exit)
      wrong.push(`${answer}: exit ${result.exit}, not ${exit}: ${result.stdout}${result.stderr}`);
    wrong.push(...misfits(answers, answer, result));
  }
  return { wrong, seen };
}

/** The first line of a command that goes on. */
async function firstLine(
  cwd: string,
  words: readonly string[],
  env?: Record<string, string>,
): Promise<Result> {
  const running = beginTen(cwd, [...words, "--json"], env);
  await until(`${words.join(" ")} prints a line`, () => /^\{.*\}$/m.test(running.output()));
  running.kill("SIGKILL");
  const { stdout, stderr, exit } = await running.done;
  return { stdout: stdout.split("\n")[0] ?? "", stderr, exit };
}

async function namesOf(program: Program): Promise<string[]> {
  const names: string[] = [];
  for (const commands of Object.values(program.sections))
    for (const [name, load] of Object.entries(commands)) {
      const found: Command | Group = (await load()).default;
      names.push(...(isGroup(found) ? Object.keys(found.commands).map((one) => `${name} ${one}`) : [name]));
    }
  return names;
}

const isOf = (answer: string, command: string) => answer === command || answer.startsWith(`${command} `);

test("every command is documented, numbers have units, and both programs call the same things the same", async () => {
  for (const [program, answers] of [
    [tenProgram, TEN_ANSWERS],
    [slumProgram, SLUM_ANSWERS],
  ] as const) {
    const documented = Object.keys(answers);
    const names = (await namesOf(program)).map((name) => name.replace(/^export$/, "export FILE"));
    expect(names.filter((name) => !documented.some((answer) => isOf(answer, name)))).toEqual([]);
    for (const [answer, shape] of Object.entries(answers))
      expect([answer, keysWithoutUnit(shape, COUNTS)]).toEqual([answer, []]);
  }
  for (const [answer, shape] of Object.entries(SLUM_ANSWERS)) {
    const other = TEN_ANSWERS[answer];
    if (other && !["ps", "top", "why", "route", "events -f", "token-gen"].includes(answer))
      expect([answer, keys(shape)]).toEqual([answer, keys(other)]);
  }
  const both = ["at", "by", "detail", "from", "kind", "operation", "seq"];
  for (const answers of [TEN_ANSWERS, SLUM_ANSWERS])
    expect(both.filter((key) => !keys(answers["events -f"] ?? z.object({})).includes(key))).toEqual([]);
});

/** The first level. */
function keys(shape: (typeof TEN_ANSWERS)[string]): string[] {
  return Object.keys((shape as unknown as { shape: Record<string, unknown> }).shape).toSorted();
}

describe("ten", () => {
  let ten: Ten;
  const origin = startOrigin(() => new Response("taken"));
  beforeAll(async () => {
    ten = await startFleet({ service: 'access_log = "all"\nsticky = true' });
    for (const version of ["v4", "v5"]) writeRelease(ten.dir, version, "app.ts", "");
  });
  afterAll(async () => {
    await ten?.[Symbol.asyncDispose]();
    await origin[Symbol.asyncDispose]();
  });

  test("prints what is documented", async () => {
    const { run, dir, dataDir } = ten;
    const hook = ["webhook", "add", "ops", `${origin.url}/hook`, "--allow-private"];
    const first = await walk(
      TEN_ANSWERS,
      [
        ["deploy", ["deploy", "api:v1"]],
        ["deploy", ["deploy", "api:v2", "--weight", "10"]],
        ["deploy", ["deploy", "web:v1"]],
        ["spawn", ["spawn", "api:v3", "--weight", "0"]],
        ["spawn", ["spawn", "web:crash", "--weight", "0"]],
        ["spawn", ["spawn", "web:silent", "--weight", "0"]],
      ],
      run,
    );
    await ten.split("api.localhost", 30, 3);
    const rest = await walk(
      TEN_ANSWERS,
      [
        ["weight SERVICE", ["weight", "api"]],
        ["weight SERVICE:ID N", ["weight", "api:v2", "20"]],
        ["weight SERVICE:ID N", ["weight", "api:v1=50", "api:v2=50"]],
        ["route", ["route", "api", "--to", "v2"]],
        ["rollback", ["rollback", "api"]],
        ["releases", ["releases", "api"]],
        ["deploy --canary --dry-run", ["deploy", "web:v2", "--canary", "--dry-run"]],
        ["deploy", ["deploy", "web:v2", "--canary", "--detach"]],
        ["rollout", ["rollout", "web"]],
        ["hold", ["hold", "web"]],
        ["promote", ["promote", "web"]],
        ["abort", ["abort", "web"]],
        ["shadow SERVICE --to V", ["shadow", "api", "--to", "v3"]],
        ["shadow SERVICE", ["shadow", "api"]],
        ["shadow SERVICE off", ["shadow", "api", "off"]],
        ["history", ["history", "api"]],
        ["history", ["history", "web"]],
        ["link", ["link", "api:v2"]],
        ["link --revoke", ["link", "api:v2", "--revoke"]],
        ["maintenance SERVICE on", ["maintenance", "web", "on"]],
        ["maintenance SERVICE", ["maintenance", "web"]],
        ["ps", ["ps", "--all"]],
        ["top", ["top"]],
        ["maintenance SERVICE on", ["maintenance", "web", "off"]],
        ["why", ["why"], 5],
        ["why SERVICE[:ID]", ["why", "api:v1"]],
        ["why SERVICE[:ID]", ["why", "web:crash"], 5],
        ["why SERVICE[:ID]", ["why", "web:silent"], 5],
        ["logs", ["logs", "api"]],
        ["access", ["access"]],
        ["events", ["events"]],
        ["health SERVICE:ID", ["health", "api:v1"]],
        ["health SERVICE", ["health", "web"], 5],
        ["restart SERVICE:ID", ["restart", "api:v3"]],
        ["restart SERVICE", ["restart", "api"]],
        ["stop SERVICE:ID", ["stop", "api:v3"]],
        ["rm", ["rm", "api:v3", "--yes"]],
        ["reload", ["reload"]],
        ["config", ["config"]],
        ["backup", ["backup", join(dir, "copy.db")]],
        ["dashboard", ["dashboard"]],
        ["cert list", ["cert", "list"]],
        ["webhook add", hook],
        ["webhook test", ["webhook", "test"]],
        ["webhook list", ["webhook", "list"]],
        ["webhook rotate", ["webhook", "rotate", "ops"]],
        ["webhook remove", ["webhook", "remove", "ops"]],
        ["token create", ["token", "create", "ci", "--scope", "deploy"]],
        ["token list", ["token", "list"]],
        ["token rotate", ["token", "rotate", "ci"]],
        ["token revoke", ["token", "revoke", "ci"]],
        ["token-gen", ["token-gen", "--tenant", "acme"]],
        ["caddy", ["caddy", "--domain", "example.com"]],
        ["install --print", ["install", "--print", "--user", "root"]],
        ["completion", ["completion", "bash"]],
        ["licenses", ["licenses"]],
        ["help", ["help"]],
      ],
      run,
    );
    const wrong = [...first.wrong, ...rest.wrong];
    const begun: Record<string, readonly string[]> = {
      "logs -f": ["logs", "api", "-f"],
      "events -f": ["events", "-f"],
      "access -f": ["access", "-f"],
      static: ["static", dir, "--port", String(await freePort())],
    };
    const env = { TENEMENT_DATA_DIR: dataDir };
    const seen = new Set([...first.seen, ...rest.seen]);
    const visits = setInterval(
      () => void ten.get("api.localhost", "/", { method: "POST", body: "a line" }).catch(() => {}),
      200,
    );
    try {
      for (const [answer, words] of Object.entries(begun)) {
        seen.add(answer);
        wrong.push(...misfits(TEN_ANSWERS, answer, await firstLine(dir, words, env)));
      }
    } finally {
      clearInterval(visits);
    }
    const last = await walk(
      TEN_ANSWERS,
      [
        ["stop SERVICE SERVICE --all", ["stop", "api", "web", "--all", "--force"]],
        ["spawn", ["spawn", "api:v1"]],
        ["stop SERVICE --all", ["stop", "api", "--all", "--force"]],
        ["prune", ["prune", "api", "--keep", "0"]],
      ],
      run,
    );
    wrong.push(...last.wrong);
    for (const answer of last.seen) seen.add(answer);
    using temp = createTempDir();
    mkdirSync(temp.file("app"));
    writeFileSync(
      temp.file("app/server.ts"),
      "Bun.serve({ port: Number(process.env.PORT), fetch: () => new Response() });",
    );
    writeFileSync(temp.file("app/package.json"), JSON.stringify({ scripts: { start: "bun server.ts" } }));
    wrong.push(...misfits(TEN_ANSWERS, "init", await runTen(temp.file("app"), ["init", "--json"])));
    wrong.push(...misfits(TEN_ANSWERS, "serve", await firstLine(temp.file("app"), ["serve", "--port", "0"])));
    for (const answer of ["init", "serve"]) seen.add(answer);
    expect(wrong).toEqual([]);
    const left = Object.keys(TEN_ANSWERS).filter((answer) => !seen.has(answer) && !NOT_RUN.has(answer));
    expect(left).toEqual(["why HOST"]);
  }, 180_000);
});

describe("slum", () => {
  let slum: Slum;
  const origin = startOrigin(() => new Response("an app"));
  beforeAll(async () => {
    slum = await startSlum();
  });
  afterAll(async () => {
    await slum?.[Symbol.asyncDispose]();
    await origin[Symbol.asyncDispose]();
  });

  test("prints what is documented", async () => {
    using temp = createTempDir();
    const { run } = slum;
    const gone = `http://127.0.0.1:${await freePort()}`;
    await run("server", "add", "gone", gone, "--region", "eu");
    const { wrong, seen } = await walk(
      SLUM_ANSWERS,
      [
        ["server add", ["server", "add", "good", origin.url.replace(/\/$/, "")]],
        ["server set", ["server", "set", "good", "--region", "us"]],
        ["server check", ["server", "check", "good"]],
        ["server list", ["server", "list"]],
        ["tenant add", ["tenant", "add", "acme", "acme.test", "good", "api"]],
        ["tenant add", ["tenant", "add", "lost", "lost.test", "gone", "api", "--failover", "none"]],
        ["tenant move", ["tenant", "move", "lost", "good"]],
        ["tenant list", ["tenant", "list"]],
        ["route", ["route", "acme.test"]],
        ["ps", ["ps"]],
        ["top", ["top"]],
        ["why DOMAIN|SERVER", ["why", "acme.test"]],
        ["events", ["events"]],
        ["server drain", ["server", "drain", "good"]],
        ["why DOMAIN|SERVER", ["why", "good"], 5],
        ["why", ["why"], 5],
        ["server undrain", ["server", "undrain", "good"]],
        ["webhook add", ["webhook", "add", "ops", `${origin.url}/hook`, "--allow-private"]],
        ["webhook test", ["webhook", "test"]],
        ["webhook list", ["webhook", "list"]],
        ["webhook rotate", ["webhook", "rotate", "ops"]],
        ["export FILE", ["export", temp.file("all.json")]],
        ["import", ["import", temp.file("all.json"), "--dry-run"]],
        ["webhook delete", ["webhook", "delete", "ops"]],
        ["tenant delete", ["tenant", "delete", "lost"]],
        ["server delete", ["server", "delete", "gone"]],
        ["backup", ["backup", temp.file("copy.db")]],
        ["dashboard", ["dashboard"]],
        ["cert list", ["cert", "list"]],
        ["token create", ["token", "create", "ci", "--scope", "read"]],
        ["token list", ["token", "list"]],
        ["token rotate", ["token", "rotate", "ci"]],
        ["token revoke", ["token", "revoke", "ci"]],
        ["token-gen", ["token-gen"]],
        ["caddy", ["caddy", "--domain", "example.com"]],
        ["install --print", ["install", "--print", "--user", "root"]],
        ["completion", ["completion", "bash"]],
        ["licenses", ["licenses"]],
        ["help", ["help"]],
      ],
      run,
    );
    expect(wrong).toEqual([]);
    const left = Object.keys(SLUM_ANSWERS).filter((answer) => !seen.has(answer) && !NOT_RUN.has(answer));
    expect(left).toEqual(["events -f", "serve"]);
  }, 180_000);
});
