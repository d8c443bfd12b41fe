// `ten install` and `uninstall` with a systemctl that really starts and ends what the unit says; a real systemd needs a machine.
import { describe, expect, test } from "bun:test";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { shellWord } from "../../src/core/shell-words.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { isAlive, type Result, runTen, tomlFor } from "./ten.ts";

const BINARY = join(import.meta.dir, "../../dist/ten");

/** Keeps its state in files beside itself, and notes how it was called. */
const SYSTEMCTL = `#!/bin/sh
state=$(dirname "$0")
[ "$1" = --user ] && shift
echo "$*" >> $state/calls
pid=$(cat $state/pid 2>/dev/null || echo 0)
alive() { [ -d /proc/$pid ] && ! grep -q '^State:.Z' /proc/$pid/status; }
end() { alive && kill -$1 $pid && while alive; do sleep 0.02; done; echo 0 > $state/pid; }
case "$1" in
is-system-running) cat $state/running ;;
show) alive && active=active || active=inactive
  echo "ActiveState=$active
UnitFileState=$(cat $state/enabled 2>/dev/null)
NeedDaemonReload=no
MainPID=$pid" ;;
enable) echo enabled > $state/enabled ;;
restart) [ -e $state/fails ] && { echo "Job for $2 failed" >&2; exit 1; }
  end QUIT
  eval "exec $(sed -n 's/^ExecStart=//p' $state/../config/systemd/user/$2)" > $state/log 2>&1 &
  echo $! > $state/pid ;;
disable) end TERM; rm $state/enabled ;;
esac
`;

/** Within user namespaces there is one user only, so that is who a service then runs as. */
const USERADD = `#!/bin/sh
echo "useradd $*" >> $(dirname "$0")/calls
for user; do :; done
echo "$user:x:0:0::/nonexistent:/usr/sbin/nologin" >> /etc/passwd
`;

/** A path as units have it. */
const inUnit = (path: string) => (/^[\w@%+=:,./-]+$/.test(path) ? path : `"${path}"`);

const isRoot = process.getuid?.() === 0;

interface Machine extends AsyncDisposable {
  readonly dir: string;
  readonly unit: string;
  readonly state: string;
  run(...words: string[]): Promise<Result>;
  calls(): string[];
  pid(): number;
}

function createMachine(running = "running"): Machine {
  const temp = createTempDir();
  const state = temp.file("bin");
  mkdirSync(state);
  mkdirSync(temp.file("app"));
  writeFileSync(temp.file("app/tenement.toml"), tomlFor("bun", "[instances]\napi = ['v1']\n"));
  writeFileSync(join(state, "systemctl"), SYSTEMCTL);
  writeFileSync(join(state, "useradd"), USERADD);
  for (const name of ["systemctl", "useradd"]) chmodSync(join(state, name), 0o755);
  writeFileSync(join(state, "running"), `${running}\n`);
  const env = { PATH: `${state}:${process.env.PATH}`, XDG_CONFIG_HOME: temp.file("config") };
  const read = (name: string) =>
    existsSync(join(state, name)) ? readFileSync(join(state, name), "utf8") : "";
  const run = (...words: string[]) => runTen(temp.file("app"), words, env);
  return {
    dir: temp.file("app"),
    unit: temp.file("config/systemd/user/ten.service"),
    state,
    run,
    calls: () => read("calls").trim().split("\n"),
    pid: () => Number(read("pid")),
    async [Symbol.asyncDispose]() {
      await run("uninstall", "--user-unit", "--force");
      temp[Symbol.dispose]();
    },
  };
}

describe("install", () => {
  test("writes the unit and starts it; again nothing; with another flag it shows the change; uninstall keeps the data", async () => {
    await using machine = createMachine();
    const first = await machine.run("install", "--user-unit", "--port", "0", "--json");
    expect([first.exit, first.stderr]).toEqual([0, expect.stringContaining("may serve it to visitors")]);
    const dataDir = join(machine.dir, "tenement-data");
    expect(JSON.parse(first.stdout)).toMatchObject({
      schema: 1,
      unit: "ten.service",
      path: machine.unit,
      changed: true,
      started: true,
      data_dir: dataDir,
    });
    expect(machine.calls()).toEqual([
      "is-system-running",
      "daemon-reload",
      "enable ten.service",
      "restart ten.service",
    ]);
    expect(readFileSync(machine.unit, "utf8")).toContain(
      `ExecStart=${inUnit(BINARY)} serve --config ${machine.dir}/tenement.toml --data-dir ${dataDir} --port 0\n`,
    );
    await until("it serves", async () => (await machine.run("ps")).exit === 0);
    const [instance] = JSON.parse((await machine.run("ps", "--json")).stdout).instances;
    const server = machine.pid();

    const second = await machine.run("install", "--user-unit", "--port", "0");
    expect(second).toMatchObject({ exit: 0, stdout: "" });
    expect(second.stderr).toContain("nothing to do: ten.service is installed and runs");
    expect(machine.calls().filter((call) => call.startsWith("restart"))).toHaveLength(1);

    const third = await machine.run("install", "--user-unit", "--port", "0", "--domain", "example.test");
    expect(third.exit).toBe(0);
    expect(third.stdout).toMatch(
      /^- ExecStart=.* --port 0\n\+ ExecStart=.* --domain example\.test --port 0\n$/,
    );
    expect(machine.pid()).not.toBe(server);
    await until("the new one serves", async () => (await machine.run("ps")).exit === 0);
    expect(JSON.parse((await machine.run("ps", "--json")).stdout).instances[0]).toMatchObject({
      id: "api:v1",
      pid: instance.pid,
    });

    const gone = await machine.run("uninstall", "--user-unit");
    expect(gone.exit).toBe(0);
    expect(gone.stderr).toContain(`registry, logs and data stay in ${dataDir}`);
    expect(existsSync(machine.unit)).toBe(false);
    expect(existsSync(join(dataDir, "ten.db"))).toBe(true);
    expect([isAlive(machine.pid()), isAlive(instance.pid)]).toEqual([false, false]);
    const again = await machine.run("uninstall", "--user-unit");
    expect([again.exit, again.stderr]).toEqual([0, `nothing to do: there is no ${machine.unit}\n`]);
  });

  test("that was cut short is finished by the next: the unit is there, its server is not", async () => {
    await using machine = createMachine();
    await machine.run("install", "--user-unit", "--port", "0", "--write-only");
    expect(machine.calls()).toEqual(["is-system-running", "daemon-reload"]);
    const { exit } = await machine.run("install", "--user-unit", "--port", "0");
    expect([exit, machine.calls().slice(-2)]).toEqual([0, ["enable ten.service", "restart ten.service"]]);
  });

  const asRoot = (dir: string) => [
    "unshare",
    "-rm",
    "sh",
    "-c",
    `mount --bind ${dir} /etc/systemd/system && { [ -e ${dir}/passwd ] || cp /etc/passwd ${dir}; } &&
     mount --bind ${dir}/passwd /etc/passwd && exec "$@"`,
    "sh",
  ];
  const mayMount = (() => {
    using dir = createTempDir();
    return Bun.which("unshare") && Bun.spawnSync([...asRoot(dir.path), "true"], { stderr: "ignore" }).success;
  })();

  test.skipIf(!mayMount)(
    "as root it writes the machine's unit and a data directory for its user (needs unshare -rm)",
    async () => {
      await using machine = createMachine();
      using units = createTempDir();
      const install = () =>
        Bun.spawn([...asRoot(units.path), BINARY, "install", "--write-only"], {
          cwd: machine.dir,
          env: {
            PATH: `${machine.state}:${process.env.PATH}`,
            TENEMENT_DATA_DIR: join(machine.dir, "tenement-data"),
          },
          stderr: "pipe",
        });
      const said = await install().stderr.text();
      expect(said).toContain("added the user ten-api");
      expect(said).toContain("hint: start it, now and with the machine: systemctl enable --now ten");
      expect(machine.calls()).toContain(
        "useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ten-api",
      );
      const text = readFileSync(units.file("ten.service"), "utf8");
      expect(text).toContain("\nUser=root\n");
      expect(text).toMatch(/^ExecStart=.* --service-users$/m);
      expect(statSync(join(machine.dir, "tenement-data")).mode & 0o777).toBe(0o700);
      expect(await install().stderr.text()).toEndWith("\nnothing to do: ten.service is installed\n");
    },
  );

  test.skipIf(process.getuid?.() !== 0)(
    "without root the line to paste is whole: absolute, and with all flags",
    async () => {
      await using machine = createMachine();
      const dir = dirname(machine.dir);
      for (const path of [dir, machine.dir]) chmodSync(path, 0o755);
      cpSync(BINARY, join(dir, "ten"));
      chmodSync(join(dir, "ten"), 0o755);
      const child = Bun.spawn([join(dir, "ten"), "install", "--domain", "example.com", "--port", "80"], {
        cwd: machine.dir,
        uid: 65534,
        env: { PATH: `${machine.state}:${process.env.PATH}`, HOME: "/nonexistent" },
        stderr: "pipe",
      });
      const stderr = await child.stderr.text();
      expect(stderr).toContain(`sudo ${dir}/ten install --domain example.com --port 80; or`);
      expect(await child.exited).toBe(8);
    },
  );

  test("--print changes nothing, and needs neither systemd nor root", async () => {
    await using machine = createMachine("offline");
    const { exit, stdout } = await machine.run("install", "--print", "--domain", "example.com");
    expect(exit).toBe(0);
    expect(stdout).toContain(
      `${inUnit(BINARY)} serve --config ${machine.dir}/tenement.toml --data-dir ${machine.dir}/tenement-data --domain example.com${isRoot ? " --service-users" : ""}\n`,
    );
    const slum = JSON.parse(
      (await machine.run("slum", "install", "--print", "--db", "a.db", "--json")).stdout,
    );
    expect(slum.unit).toBe("slum.service");
    expect(slum.text).toContain(`--db ${machine.dir}/a.db\n`);
    const certificates = ["--https", "--certificates", "one, two"];
    expect((await machine.run("slum", "install", "--print", ...certificates)).stdout).toContain(
      `--certificates ${machine.dir}/one,${machine.dir}/two`,
    );
    const secret = await runTen(
      machine.dir,
      ["slum", "install", "--print", "--webhook", "https://hooks.example.com/T0/geheim"],
      { SLUM_DB: "postgres://slum:pw@db/slum" },
    );
    expect([secret.exit, secret.stdout]).toEqual([
      0,
      expect.not.stringMatching(/geheim|slum:pw|--db|--webhook/),
    ]);
    expect(secret.stderr).toContain("install writes SLUM_DB, SLUM_WEBHOOK into /etc/default/slum, mode 600");
    expect([existsSync(machine.unit), machine.calls()]).toEqual([false, [""]]);
  });
});

test("slum install keeps what is secret out of the unit, in a file that only its owner reads", async () => {
  await using machine = createMachine();
  const install = (...words: string[]) =>
    machine.run(
      "slum",
      "install",
      "--user-unit",
      "--write-only",
      "--data-dir",
      join(machine.dir, "slum"),
      ...words,
    );
  const secret = "https://hooks.example.com/T0/geheim";
  expect((await install("--webhook", secret)).exit).toBe(0);
  const unit = readFileSync(join(dirname(machine.unit), "slum.service"), "utf8");
  expect(unit).not.toContain("geheim");
  const file = /^EnvironmentFile=-(.*)$/m.exec(unit)?.[1] ?? "";
  expect([readFileSync(file, "utf8"), statSync(file).mode & 0o777]).toEqual([
    `SLUM_WEBHOOK="${secret}"\n`,
    0o600,
  ]);
  expect((await install("--webhook", secret)).stderr).toContain("nothing to do");
  const changed = await install("--webhook", `${secret}2`);
  expect(changed.stdout).toBe(`+ SLUM_WEBHOOK in ${file}\n`);
  // A receiver that is no secret is a flag as any other.
  expect((await install("--webhook", "https://hooks.example.com")).stdout).toContain(
    "--webhook https://hooks.example.com\n",
  );
});

describe("install is refused", () => {
  test.each([
    ["where systemd is not in charge", "offline", [], 6, "does not run here (offline)", "--print"],
    ["where the user's does not answer", "", ["--user-unit"], 6, "does not answer", "loginctl enable-linger"],
    [
      "with a value that serve would refuse",
      "running",
      ["--user-unit", "--port", "x"],
      2,
      "--port is",
      "whole number",
    ],
    [
      "with a password in a flag",
      "running",
      ["--user-unit", "--host", "a://b:c@d"],
      2,
      "password",
      "EnvironmentFile",
    ],
  ])("%s", async (_, running, words, exit, message, hint) => {
    await using machine = createMachine(running);
    const result = await machine.run("install", ...words);
    expect([result.exit, result.stdout]).toEqual([exit, ""]);
    expect(result.stderr).toContain(message);
    expect(result.stderr).toContain(hint);
    expect(existsSync(machine.unit)).toBe(false);
  });

  test("without systemctl, with what to do instead", async () => {
    await using machine = createMachine();
    const { exit, stderr } = await runTen(machine.dir, ["install"], { PATH: "/nonexistent" });
    expect(exit).toBe(6);
    expect(stderr).toContain("there is no systemd on this machine");
    expect(stderr).toContain("--print");
  });

  test("when the unit is another's, or of another directory", async () => {
    await using machine = createMachine();
    mkdirSync(join(machine.unit, ".."), { recursive: true });
    writeFileSync(machine.unit, "[Service]\nExecStart=/bin/true\n");
    for (const command of ["install", "uninstall"]) {
      const { exit, stderr } = await machine.run(command, "--user-unit");
      expect([exit, stderr]).toEqual([4, expect.stringContaining("was not written by install")]);
    }
    await machine.run("install", "--user-unit", "--write-only", "--force", "--data-dir", "elsewhere");
    const other = await machine.run("install", "--user-unit");
    expect(other.exit).toBe(4);
    expect(other.stderr).toContain(`serves another data directory, "${machine.dir}/elsewhere"`);
    expect(other.stderr).toContain("ten install --name NAME");
  });

  test("when its server does not start, and says what systemctl said", async () => {
    await using machine = createMachine();
    writeFileSync(join(machine.state, "fails"), "");
    const { exit, stderr } = await machine.run("install", "--user-unit");
    expect(exit).toBe(5);
    expect(stderr).toContain("systemctl restart ten.service failed: Job for ten.service failed");
    expect(stderr).toContain("journalctl --user -u ten.service");
  });

  const inNamespace = (flags: string) =>
    Bun.spawnSync(["unshare", flags, "true"], { stderr: "ignore" }).success;

  test.skipIf(!Bun.which("unshare") || !inNamespace("-U"))(
    "to whoever is not root (needs unshare -U)",
    async () => {
      await using machine = createMachine();
      const child = Bun.spawn(["unshare", "-U", BINARY, "install"], {
        cwd: machine.dir,
        env: { PATH: `${machine.state}:${process.env.PATH}` },
        stdout: "pipe",
        stderr: "pipe",
      });
      expect(await child.stderr.text()).toContain(
        `hint: sudo ${shellWord(BINARY)} install; or one of your own: ten install --user-unit`,
      );
      expect(await child.exited).toBe(8);
    },
  );
});

test.skipIf(process.platform !== "linux")("the server tells its service manager how far it is", async () => {
  const { receiveDatagrams } = await import("../support/datagrams.ts");
  const { startTen } = await import("./ten.ts");
  using dir = createTempDir();
  using manager = receiveDatagrams(dir.file("notify"));
  await using ten = await startTen({ env: { NOTIFY_SOCKET: dir.file("notify") } });
  expect(await manager.next()).toBe("FDSTORE=1\nFDNAME=visitors\n");
  expect(await manager.next()).toBe("READY=1\n");
  ten.kill("SIGHUP");
  expect(await manager.next()).toStartWith("RELOADING=1\nMONOTONIC_USEC=");
  expect(await manager.next()).toBe("READY=1\n");
  ten.kill("SIGTERM");
  expect(await manager.next()).toBe("STOPPING=1\nEXTEND_TIMEOUT_USEC=23000000\n");
  expect(await ten.exited).toBe(0);
});
