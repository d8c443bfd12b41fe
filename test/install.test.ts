// The installer, from a release directory on this machine: what it installs, and what it refuses.
import { describe, expect, test } from "bun:test";
import { generateKeyPairSync, sign } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { testKey } from "./support/certificate.ts";
import { addressCertificate, privateRoot } from "./support/private-ca.ts";
import { createTempDir } from "./support/temp-dir.ts";

const SCRIPT = join(import.meta.dir, "../install.sh");
const NAMES = [
  "linux-x64",
  "linux-arm64",
  "linux-x64-musl",
  "linux-arm64-musl",
  "darwin-x64",
  "darwin-arm64",
];

/** A release of a `ten` that is a shell script; a machine of every kind gets the same. */
function release(directory: string, version = "1.2.3", program = `#!/bin/sh\necho ten ${version}\n`): void {
  mkdirSync(directory, { recursive: true });
  const sum = new Bun.CryptoHasher("sha256").update(program).digest("hex");
  for (const name of NAMES) writeFileSync(join(directory, `ten-${name}`), program);
  writeFileSync(join(directory, "SHA256SUMS"), NAMES.map((name) => `${sum}  ten-${name}\n`).join(""));
}

/** `script`: what is run in place of the installer as it is here. */
function setup(script = SCRIPT) {
  const temp = createTempDir();
  const releases = join(temp.path, "releases");
  const bin = join(temp.path, "usr/bin");
  release(releases);
  async function install(args: readonly string[] = [], env: Record<string, string> = {}) {
    const child = Bun.spawn(["sh", script, "--prefix", join(temp.path, "usr"), ...args], {
      env: { PATH: process.env.PATH ?? "", TEN_BASE_URL: `file://${releases}`, ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    return { exit: await child.exited, stdout, stderr };
  }
  return { releases, bin, home: temp.path, install, [Symbol.dispose]: () => temp[Symbol.dispose]() };
}

describe("install.sh", () => {
  test("installs ten, with slum as its second name, and leaves nothing else", async () => {
    using at = setup();
    const { exit, stdout, stderr } = await at.install();
    expect({ exit, stdout }).toEqual({
      exit: 0,
      stdout: `ten 1.2.3 installed in ${at.bin}, with slum beside it\n`,
    });
    expect(stderr).toBe(`hint: ${at.bin} is not in PATH: export PATH="${at.bin}:$PATH"\n`);
    expect(readdirSync(at.bin).sort()).toEqual(["slum", "ten"]);
    expect(readlinkSync(join(at.bin, "slum"))).toBe("ten");
    expect(await Bun.$`${join(at.bin, "slum")}`.text()).toBe("ten 1.2.3\n");
  });

  test("changes nothing the second time", async () => {
    using at = setup();
    await at.install();
    const before = statSync(join(at.bin, "ten"));
    const { exit, stdout } = await at.install();
    expect({ exit, stdout }).toEqual({
      exit: 0,
      stdout: `ten 1.2.3 is already in ${at.bin}, with slum beside it\n`,
    });
    expect(statSync(join(at.bin, "ten")).ino).toBe(before.ino);
  });

  test("replaces an older one, or takes the release that --version names, with a v or without", async () => {
    using at = setup();
    release(join(at.releases, "v1.0.0"), "1.0.0");
    await at.install();
    expect((await at.install(["--version", "1.0.0"])).stdout).toStartWith("ten 1.0.0 installed in");
    expect((await at.install(["--version", "v1.0.0"])).stdout).toStartWith("ten 1.0.0 is already in");
    expect((await at.install()).stdout).toStartWith("ten 1.2.3 installed in");
    expect((await at.install(["--version", "9.9.9"])).stderr).toContain("v9.9.9/SHA256SUMS");
  });

  test("installs over HTTP, below the home directory where nothing else may be written", async () => {
    using at = setup();
    using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: ({ url }) => new Response(Bun.file(at.releases + new URL(url).pathname)),
    });
    const child = Bun.spawn(["sh", "-s", "--", "--prefix", join(at.home, ".local")], {
      env: { PATH: process.env.PATH ?? "", HOME: at.home, TEN_BASE_URL: server.url.href },
      stdin: Bun.file(SCRIPT),
      stdout: "pipe",
    });
    expect(await child.stdout.text()).toBe(
      `ten 1.2.3 installed in ${at.home}/.local/bin, with slum beside it\n`,
    );
  });

  test.each([
    ["a binary that was changed", "ten", "is not what SHA256SUMS says"],
    ["a release without this machine's binary", "SHA256SUMS", "does not list ten-"],
  ])("installs nothing from %s", async (_, file, message) => {
    using at = setup();
    await at.install();
    release(at.releases, "2.0.0");
    for (const name of file === "ten" ? NAMES.map((one) => `ten-${one}`) : [file])
      writeFileSync(join(at.releases, name), "#!/bin/sh\necho evil\n");
    const { exit, stdout, stderr } = await at.install();
    expect({ exit, stdout }).toEqual({ exit: 1, stdout: "" });
    expect(stderr).toContain(message);
    expect(await Bun.$`${join(at.bin, "ten")}`.text()).toBe("ten 1.2.3\n");
    expect(readdirSync(at.bin).sort()).toEqual(["slum", "ten"]);
  });

  test.each([
    ["exit 1", "it ended with code 1"],
    ["echo 'libstdc++.so.6: cannot open' >&2; exit 127", "libstdc++.so.6: cannot open"],
    ["kill -ILL $$", "illegal instruction"],
  ])("a binary that does not run here is not installed, and says why: %s", async (line, why) => {
    using at = setup();
    release(at.releases, "2.0.0", `#!/bin/sh\n${line}\n`);
    const { exit, stdout, stderr } = await at.install();
    expect([exit, stdout]).toEqual([1, ""]);
    expect(stderr).toContain(` does not run on this machine: ${why}`);
    expect(readdirSync(at.bin)).toEqual([]);
  });

  test("cut off anywhere it does nothing", async () => {
    using at = setup();
    const text = readFileSync(SCRIPT, "utf8");
    const cut = join(at.home, "cut.sh");
    for (const length of [text.length / 2, text.lastIndexOf("main") + 4, text.length - 2]) {
      writeFileSync(cut, text.slice(0, length));
      const env = { PATH: process.env.PATH ?? "", TEN_BASE_URL: `file://${at.releases}` };
      await Bun.spawn(["sh", cut, "--prefix", join(at.home, "usr")], { env, stderr: "ignore" }).exited;
      expect(existsSync(at.bin)).toBe(false);
    }
  });

  test("takes away what it has installed, and not what a unit runs", async () => {
    using at = setup();
    await at.install();
    writeFileSync(join(at.bin, "other"), "");
    const units = join(at.home, "config/systemd/user");
    mkdirSync(units, { recursive: true });
    writeFileSync(join(units, "ten.service"), `[Service]\nExecStart=${at.bin}/ten serve\n`);
    const env = { XDG_CONFIG_HOME: join(at.home, "config"), TEN_BASE_URL: "" };
    const used = await at.install(["--uninstall"], env);
    expect([used.exit, used.stderr]).toEqual([1, expect.stringContaining("ten uninstall")]);
    rmSync(units, { recursive: true });
    expect(await at.install(["--uninstall"], env)).toMatchObject({
      exit: 0,
      stdout: `removed ${at.bin}/ten and slum\n`,
    });
    expect(readdirSync(at.bin)).toEqual(["other"]);
    expect((await at.install(["--uninstall"], env)).stdout).toStartWith("nothing to do");
  });

  test("takes away a user's own when there is the machine's beside it, which is not the user's to remove", async () => {
    using at = setup();
    const system = join(at.home, "system");
    const script = join(at.home, "install.sh");
    writeFileSync(script, readFileSync(SCRIPT, "utf8").replaceAll("/usr/local", system));
    for (const place of [join(system, "bin"), join(at.home, ".local/bin")]) {
      mkdirSync(place, { recursive: true });
      writeFileSync(join(place, "ten"), "");
    }
    const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    if (nobody.uid !== undefined)
      for (const one of ["", ".local/bin"]) chownSync(join(at.home, one), nobody.uid, nobody.gid);
    chmodSync(join(system, "bin"), 0o555);
    const uninstall = async () => {
      const env = { PATH: process.env.PATH ?? "", HOME: at.home, TEN_BASE_URL: "" };
      const words = ["sh", script, "--uninstall"];
      const child = Bun.spawn(words, { ...nobody, cwd: "/", env, stdout: "pipe", stderr: "pipe" });
      return [await child.exited, await child.stdout.text(), await child.stderr.text()];
    };
    expect(await uninstall()).toEqual([0, `removed ${at.home}/.local/bin/ten and slum\n`, expect.anything()]);
    expect(await uninstall()).toEqual([1, "", expect.stringContaining(`cannot remove ${system}/bin/ten`)]);
    expect(existsSync(join(system, "bin/ten"))).toBe(true);
    chmodSync(join(system, "bin"), 0o755);
  });

  describe.skipIf(!Bun.which("openssl"))("that knows a key", () => {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const der = publicKey.export({ type: "spki", format: "der" }).toString("base64");
    const signed = (directory: string) => {
      const sums = readFileSync(join(directory, "SHA256SUMS"));
      writeFileSync(join(directory, "SHA256SUMS.sig"), sign(null, sums, privateKey));
    };
    function setupSigned() {
      const script = createTempDir();
      const text = readFileSync(SCRIPT, "utf8").replace(/^KEY=$/m, `KEY=${der}`);
      writeFileSync(script.file("install.sh"), text);
      const at = setup(script.file("install.sh"));
      signed(at.releases);
      const end = () => {
        script[Symbol.dispose]();
        at[Symbol.dispose]();
      };
      return { ...at, [Symbol.dispose]: end };
    }

    test("installs what is signed, and nothing else", async () => {
      using at = setupSigned();
      expect((await at.install()).exit).toBe(0);
      release(at.releases, "6.6.6");
      const { exit, stderr } = await at.install();
      expect([exit, stderr]).toEqual([
        1,
        expect.stringContaining("SHA256SUMS is not signed by the publisher"),
      ]);
      expect(await Bun.$`${join(at.bin, "ten")}`.text()).toBe("ten 1.2.3\n");
      rmSync(join(at.releases, "SHA256SUMS.sig"));
      expect((await at.install()).stderr).toContain("SHA256SUMS.sig");
    });

    test("without an openssl that can check it says so, and goes on only when told to", async () => {
      using at = setupSigned();
      writeFileSync(join(at.home, "openssl"), "#!/bin/sh\necho OpenSSL 1.1.1\n", { mode: 0o755 });
      const env = { PATH: `${at.home}:${process.env.PATH}` };
      expect((await at.install([], env)).stderr).toContain("--no-signature");
      expect((await at.install(["--no-signature"], env)).exit).toBe(0);
    });
  });

  test.skipIf(!Bun.which("curl"))("does not follow https to http", async () => {
    using at = setup();
    using plain = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("evil") });
    writeFileSync(join(at.home, "root.pem"), privateRoot);
    using secure = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: { cert: addressCertificate, key: testKey },
      fetch: ({ url }) => Response.redirect(`${plain.url.origin}${new URL(url).pathname}`),
    });
    const env = { TEN_BASE_URL: secure.url.href, CURL_CA_BUNDLE: join(at.home, "root.pem") };
    const { exit, stderr } = await at.install([], env);
    expect(exit).toBe(1);
    expect(stderr).toMatch(/protocol|not supported/i);
  });

  test.each([
    ["TEN_BASE_URL is not set", [], { TEN_BASE_URL: "" }],
    ["TEN_BASE_URL is ftp://x", [], { TEN_BASE_URL: "ftp://x" }],
    ["cannot read file:///nowhere/SHA256SUMS", [], { TEN_BASE_URL: "file:///nowhere" }],
    ["cannot download http://127.0.0.1:1/SHA256SUMS", [], { TEN_BASE_URL: "http://127.0.0.1:1" }],
    ["--prefix has no value", ["--prefix"], {}],
    ["unknown argument: --force", ["--force"], {}],
  ] as const)("says what is wrong: %s", async (message, args, env) => {
    using at = setup();
    const { exit, stderr } = await at.install(args, env);
    expect(exit).toBe(1);
    expect(stderr).toContain(`error: ${message}\n`);
  });
});
