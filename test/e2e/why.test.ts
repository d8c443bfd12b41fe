// Ten faults of real apps, and what `ten why` says first.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { testCertificate } from "../support/certificate.ts";
import { writeRelease } from "../support/releases.ts";
import { startSecure } from "../support/secure-origin.ts";
import { startInTerminal } from "../support/terminal.ts";
import { until } from "../support/until.ts";
import { startTen, type Ten } from "./ten.ts";

const LISTEN = `const { PORT, HOST: hostname, TAKEN, SECURE } = process.env;\n`;
const SERVE = `Bun.serve({ port: Number(PORT), hostname, fetch: () => new Response("ok") });\n`;

/** What each version does, and the kind and the words of the first line. */
const FAULTS: Readonly<Record<string, readonly [source: string, kind: string, says: RegExp]>> = {
  crash: [`throw new TypeError("cart is not a function");`, "crash", /crashed: it exited with code 1/],
  hang: [
    `Bun.serve({ port: Number(PORT), hostname, idleTimeout: 0, fetch: () => new Promise(() => {}) });`,
    "hang",
    /hangs: its check timed out/,
  ],
  elsewhere: [
    `Bun.serve({ port: 0, hostname, fetch: () => new Response("ok") });`,
    "wrong_port",
    /wrong port: on \d+, not on its PORT \d+/,
  ],
  memory: [`new Uint8Array(2 ** 45);`, "out_of_memory", /ran out of memory/],
  missing: [
    `require("node:fs").readFileSync("prices.json");`,
    "missing_file",
    /a file that it needs is not there/,
  ],
  config: [
    `throw new Error("environment variable DATABASE_URL is not set");`,
    "bad_config",
    /its configuration is not right/,
  ],
  disk: [`require("node:fs").writeFileSync("/dev/full", "x");`, "disk_full", /the disk is full/],
  taken: [
    `require("node:net").createServer().listen(Number(TAKEN), "127.0.0.1");`,
    "port_taken",
    /the port that it wants is taken/,
  ],
  dns: [`await require("node:dns").promises.lookup("db.invalid");`, "dns", /cannot be found in DNS/],
  tls: [
    `require("node:https").get(SECURE).on("error", (error) => { throw error; });`,
    "tls",
    /a TLS connection is not trusted/,
  ],
};

let ten: Ten;
let secure: Awaited<ReturnType<typeof startSecure>>;
const taken = Bun.listen({ port: 0, hostname: "127.0.0.1", socket: { data() {} } });

beforeAll(async () => {
  secure = await startSecure(testCertificate);
  const command = JSON.stringify(`'${process.execPath}' app.ts`);
  ten = await startTen({
    toml: `[settings]\nhealth_check_interval = 1\nmax_restarts = 1\nfailed_retry_secs = 0\nbackoff_base_ms = 50\n[service.api]\ncommand = ${command}\nworkdir = "releases/{version}"\nhealth = "/health"\nhealth_check_timeout = 1\nstartup_timeout = 600\nstop_grace_period_secs = 1\n[service.api.env]\nTAKEN = "${taken.port}"\nSECURE = "https://127.0.0.1:${secure.port}/"\n`,
    prepare(dir) {
      writeRelease(dir, "v1", "app.ts", `${LISTEN}${SERVE}`);
      for (const [version, [source]] of Object.entries(FAULTS))
        writeRelease(dir, version, "app.ts", `${LISTEN}${source}\n`);
    },
  });
  await ten.ok("deploy", "api:v1");
  for (const version of Object.keys(FAULTS)) await ten.ok("spawn", `api:${version}`, "--weight", "0");
}, 180_000);
afterAll(async () => {
  await ten?.[Symbol.asyncDispose]();
  await secure?.[Symbol.asyncDispose]();
  taken.stop(true);
});

test("it is one screen of a terminal, and begins with the cause and what to try", async () => {
  await until("it has failed", async () => (await ten.ps())["api:crash"]?.state === "failed");
  await using terminal = startInTerminal([join(import.meta.dir, "../../dist/ten"), "why", "api:crash"], {
    cwd: ten.dir,
    columns: 80,
    rows: 24,
  });
  await terminal.exited;
  await terminal.shows("Changed in the last hour");
  const lines = Bun.stripANSI(terminal.output()).trimEnd().split(/\r?\n/);
  const rows = lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(Bun.stringWidth(line) / 80)), 0);
  expect(rows).toBeLessThan(24);
  expect(lines[0]).toContain("api:crash: it crashed: it exited with code 1");
  expect(lines.findIndex((line) => line.includes("try:"))).toBeLessThan(6);
});

interface Why {
  readonly cause: { readonly kind: string; readonly text: string; readonly evidence: string | null };
  readonly output: readonly string[];
  readonly commands: readonly string[];
  readonly changes: readonly { readonly by: string | null }[];
}

test.each(Object.entries(FAULTS))(
  "%s",
  async (version, [, kind, says]) => {
    const name = `api:${version}`;
    const why = await until(
      `${name} is found to be ${kind}`,
      async () => {
        const found = await ten.json<Why>("why", name);
        return found.cause.kind === kind && found;
      },
      180_000,
    );
    const { exit, stdout } = await ten.run("why", name);
    expect(exit).toBe(5);
    const [first = ""] = stdout.split("\n");
    expect(first).toStartWith(`${name}: `);
    expect(first).toMatch(says);
    expect(why.commands.length).toBeGreaterThanOrEqual(2);
    expect(why.changes.some(({ by }) => by !== null)).toBe(true);
  },
  120_000,
);

test("of a service the worst is told, of one that is well that nothing is wrong, of none that there is none", async () => {
  const { stdout } = await ten.run("why", "api");
  expect(stdout).not.toStartWith("api:v1:");
  const well = await ten.run("why", "api:v1");
  expect([well.exit, well.stdout.split("\n")[0]]).toEqual([
    0,
    "api:v1: nothing is wrong, as far as can be seen from outside",
  ]);
  expect((await ten.run("why", "api:v9")).exit).toBe(3);
  const host = await ten.run("why", "api.localhost");
  expect([host.exit, host.stderr]).toEqual([
    3,
    expect.stringContaining("of api.localhost nothing is known here but its service"),
  ]);
});

test("without a word all that is wrong is told: the worst in full, the others in a line each", async () => {
  const { exit, stdout } = await ten.run("why");
  expect(exit).toBe(5);
  const [first = ""] = stdout.split("\n");
  expect(first).toMatch(/^api:\w+: /);
  const also = stdout.slice(stdout.indexOf("\nAlso\n"));
  for (const version of Object.keys(FAULTS))
    expect(first.startsWith(`api:${version}: `) || also.includes(`  api:${version}: `)).toBe(true);
  expect(also).not.toContain("api:v1: ");
  const all = await ten.json<{ instances: number; wrong: readonly Why[]; more: number }>("why");
  expect([all.instances, all.wrong.length, all.more]).toEqual([11, 10, 0]);
});

test("of a deploy that has failed its cause is told afterwards too, also where the service is asked for, or everything", async () => {
  writeRelease(ten.dir, "bad", "app.ts", FAULTS.config?.[0] ?? "");
  expect((await ten.run("deploy", "api:bad")).exit).toBe(5);
  const said = /^api:bad: its deploy failed: its configuration is not right: it exited with code 1$/m;
  expect((await ten.run("why", "api:bad")).stdout).toMatch(said);
  expect((await ten.run("history", "api")).stdout).toMatch(
    /deploy api:bad +failed: it crashed: it exited with code 1$/m,
  );
  const { exit, stdout } = await ten.run("why");
  expect(exit).toBe(5);
  expect(stdout).toMatch(/api:bad: its deploy failed: its configuration is not right/);
  await ten.ok("deploy", "api:v1", "--replace");
  expect((await ten.run("why")).stdout).not.toContain("api:bad: ");
});
