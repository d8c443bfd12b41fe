// The text of systemd units: what they say for whom, and that systemd reads it as it is meant.
import { describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { dataDirOfUnit, type UnitSpec, unitText } from "../../src/core/unit-file.ts";
import { createTempDir } from "../support/temp-dir.ts";

const SPEC: UnitSpec = {
  program: "ten",
  description: "ten, serving /srv/app/tenement.toml",
  name: "ten",
  scope: "system",
  words: ["/usr/local/bin/ten", "serve", "--config", "/srv/app/tenement.toml"],
  reload: ["/usr/local/bin/ten", "reload", "--config", "/srv/app/tenement.toml"],
  directory: "/srv/app",
  dataDir: "/srv/app/tenement-data",
  user: "app",
  environmentFile: "/etc/default/ten",
  supervises: true,
  delegates: false,
  lowPort: false,
};

const linesOf = (more: Partial<UnitSpec> = {}) => unitText({ ...SPEC, ...more }).split("\n");

describe("a unit", () => {
  test("for ten leaves the instances running at a restart and ends them at a stop", () => {
    const lines = linesOf();
    expect(lines).toContain("Type=notify");
    expect(lines).toContain("KillMode=process");
    expect(lines).toContain("RestartKillSignal=SIGQUIT");
    expect(lines.filter((line) => line.startsWith("KillSignal="))).toEqual([]);
    expect(lines).toContain("ExecReload=/usr/local/bin/ten reload --config /srv/app/tenement.toml");
  });

  test("for slum has nothing to leave running, and nothing to reload", () => {
    const text = unitText({ ...SPEC, program: "slum", name: "slum", supervises: false, reload: undefined });
    expect(text).not.toMatch(/KillMode|RestartKillSignal|OOMPolicy|ExecReload/);
    for (const line of [
      "NoNewPrivileges=yes",
      "ProtectSystem=strict",
      "PrivateTmp=yes",
      "ReadWritePaths=/srv/app/tenement-data",
    ])
      expect(text.split("\n")).toContain(line);
    // What ten starts may need more than ten.
    expect(linesOf().join()).not.toMatch(/NoNewPrivileges|ProtectSystem|PrivateTmp/);
  });

  test("of a user has no user, no capabilities and no target of the machine", () => {
    const text = unitText({ ...SPEC, scope: "user", lowPort: true });
    expect(text).not.toMatch(/^User=|Capabilit|network-online|multi-user/m);
    expect(text).toContain("WantedBy=default.target");
    expect(text).toContain("systemctl --user edit ten");
  });

  test("may open a port below 1024 only where it is asked for, and makes control groups likewise", () => {
    const asked = linesOf({ lowPort: true, delegates: true });
    expect(asked).toContain("AmbientCapabilities=CAP_NET_BIND_SERVICE");
    expect(asked).toContain("Delegate=yes");
    expect(linesOf().join()).not.toMatch(/AmbientCapabilities|Delegate/);
    expect(linesOf({ lowPort: true, user: "root" }).join()).not.toContain("AmbientCapabilities");
  });

  test("knows the data directory that it serves; another's unit knows none", () => {
    const text = unitText({ ...SPEC, dataDir: "/srv/100% app/data" });
    expect(dataDirOfUnit(text)).toBe("/srv/100% app/data");
    expect(dataDirOfUnit(text.replace(/^# Written by.*\n/, ""))).toBeUndefined();
    expect(dataDirOfUnit("[Service]\nExecStart=/bin/true\n")).toBeUndefined();
  });

  test("quotes what systemd would split or replace", () => {
    const words = ["/opt/my ten/ten", "serve", "--config", '/a/$HOME/100%/"q"/\\n', "--port", "80"];
    const line = linesOf({ words }).find((one) => one.startsWith("ExecStart="));
    expect(line).toBe('ExecStart="/opt/my ten/ten" serve --config "/a/$$HOME/100%%/\\"q\\"/\\\\n" --port 80');
  });

  test.skipIf(!Bun.which("systemd-analyze")).each(["system", "user"] as const)(
    "is to systemd's liking (%s; needs systemd-analyze)",
    async (scope) => {
      using dir = createTempDir();
      const directory = dir.file("an app, 100%");
      mkdirSync(directory);
      const words = ["/usr/bin/env", "serve", "--config", `${directory}/tenement.toml`];
      const text = unitText({ ...SPEC, scope, words, reload: words, directory, user: "root", lowPort: true });
      await Bun.write(dir.file("ten.service"), text);
      const argv = ["systemd-analyze", `--${scope}`, "verify", dir.file("ten.service")];
      const env = { ...process.env, XDG_RUNTIME_DIR: dir.path };
      const child = Bun.spawn(argv, { stdout: "pipe", stderr: "pipe", env });
      expect(await child.stderr.text()).not.toContain(dir.path);
      expect(await child.exited).toBe(0);
    },
  );
});
