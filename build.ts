// Builds the one executable: `bun build.ts` for this machine, `--target=linux-arm64` for another, `--release` for all, with checksums and the installer.
import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { copyFile, link, mkdir, mkdtemp, open, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { relative } from "node:path";
import { parseArgs } from "node:util";
import { version } from "./package.json";

/** What a release is built for, and the npm package that has Bun's runtime for it. */
const TARGETS = {
  "linux-x64": { bun: "bun-linux-x64", runtime: "@oven/bun-linux-x64" },
  "linux-arm64": { bun: "bun-linux-arm64", runtime: "@oven/bun-linux-aarch64" },
  "linux-x64-musl": { bun: "bun-linux-x64-musl", runtime: "@oven/bun-linux-x64-musl" },
  "linux-arm64-musl": { bun: "bun-linux-arm64-musl", runtime: "@oven/bun-linux-aarch64-musl" },
  "darwin-x64": { bun: "bun-darwin-x64", runtime: "@oven/bun-darwin-x64" },
  "darwin-arm64": { bun: "bun-darwin-arm64", runtime: "@oven/bun-darwin-aarch64" },
} as const;
type Target = keyof typeof TARGETS;

/** Requests with up to 128 KB of headers reach our own 431. */
const MAX_HEADER_BYTES = 131_072;

/** By these whoever starts the executable would tell the Bun in it what to be, to load and to do, before any line of ours. */
const DEAF_TO = ["BUN_OPTIONS", "BUN_BE_BUN", "BUN_INSPECT", "BUN_INSPECT_CONNECT_TO", "BUN_INSPECT_PRELOAD"];

/**
 * Gives those names in the executable a first character that no variable can have, so that they are never found. Only Linux: on
 * macOS an executable is signed.
 */
async function deafen(path: string): Promise<void> {
  const bytes = await readFile(path);
  if (!bytes.subarray(0, 4).equals(Buffer.from("\x7fELF"))) return;
  await using file = await open(path, "r+");
  for (const name of DEAF_TO) {
    const asText = Buffer.from(`\0${name}\0`);
    let at = bytes.indexOf(asText);
    if (at < 0) throw new Error(`Bun ${Bun.version} has no variable ${name}: look what it heeds instead`);
    for (; at >= 0; at = bytes.indexOf(asText, at + 1)) await file.write("=", at + 1);
  }
}

/** The executable appears whole or not at all, also where the one before it is running. */
async function build(outfile: string, target?: Target): Promise<void> {
  // Its own name is in the executable, so that is always the same one: two builds of one source are equal.
  const draft = await mkdtemp(`${outfile}.build-`);
  const unfinished = `${draft}/ten`;
  const cross = target && {
    target: TARGETS[target].bun,
    executablePath: await runtimeFor(TARGETS[target].runtime),
  };
  const result = await Bun.build({
    entrypoints: [`${import.meta.dir}/src/main.ts`],
    format: "esm",
    bytecode: true,
    minify: true,
    sourcemap: "inline",
    compile: {
      ...cross,
      outfile: unfinished,
      autoloadDotenv: false,
      autoloadBunfig: false,
      execArgv: [`--max-http-header-size=${MAX_HEADER_BYTES}`],
    },
  });
  await deafen(unfinished);
  await rename(unfinished, outfile);
  // The map is embedded; the copy beside the executable is of no use.
  await rm(draft, { recursive: true });
  for (const log of result.logs) process.stderr.write(`${log}\n`);
}

/** The path of Bun's runtime for another machine, from its npm package in this very version; kept in dist. */
async function runtimeFor(name: string): Promise<string> {
  const folder = `${import.meta.dir}/dist/.runtime/${name.slice("@oven/".length)}-${Bun.version}`;
  const binary = `${folder}/package/bin/bun`;
  if (await Bun.file(binary).exists()) return binary;
  await mkdir(folder, { recursive: true });
  const packed = await Bun.$`npm pack --silent --pack-destination ${folder} ${name}@${Bun.version}`.text();
  await Bun.$`tar -xzf ${`${folder}/${packed.trim()}`} -C ${folder}`;
  return binary;
}

function parseTarget(text: string): Target {
  if (Object.hasOwn(TARGETS, text)) return text as Target;
  throw new Error(`unknown target ${text}; known: ${Object.keys(TARGETS).join(" ")}`);
}

/** What `SHA256SUMS` holds, as `sha256sum --check` reads it. */
async function sumsOf(directory: string, names: readonly string[]): Promise<string> {
  const lines = names.map(async (name) => {
    const hash = new Bun.CryptoHasher("sha256");
    for await (const chunk of Bun.file(`${directory}/${name}`).stream()) hash.update(chunk);
    return `${hash.digest("hex")}  ${name}\n`;
  });
  return (await Promise.all(lines)).join("");
}

/** The installer of this very release: it knows where it is published, and the key that its sums are signed with. */
async function installerFor(url: string, key: KeyObject | undefined): Promise<string> {
  const text = await Bun.file(`${import.meta.dir}/install.sh`).text();
  const spki = key && createPublicKey(key).export({ type: "spki", format: "der" }).toString("base64");
  return text.replace(/^RELEASES=$/m, `RELEASES=${url}`).replace(/^KEY=$/m, `KEY=${spki ?? ""}`);
}

/** Everything that is uploaded as it is: the newest release in it, and the same once more under its number. */
async function release(directory: string, url: string, keyFile: string | undefined): Promise<void> {
  if (url !== "" && !/^https?:\/\/[\w.:/~-]+$/.test(url)) throw new Error(`--url ${url} is not a URL`);
  const key = keyFile === undefined ? undefined : createPrivateKey(await Bun.file(keyFile).text());
  if (key !== undefined && key.asymmetricKeyType !== "ed25519")
    throw new Error(
      `${keyFile} is no Ed25519 key; make one: openssl genpkey -algorithm ed25519 -out ${keyFile}`,
    );
  const targets = Object.keys(TARGETS) as Target[];
  const numbered = `${directory}/v${version}`;
  await rm(numbered, { recursive: true, force: true });
  await mkdir(numbered, { recursive: true });
  for (const target of targets) await build(`${directory}/ten-${target}`, target);
  const names = targets.map((target) => `ten-${target}`);
  const sums = await sumsOf(directory, names);
  await Bun.write(`${directory}/SHA256SUMS`, sums);
  await Bun.write(`${directory}/install.sh`, await installerFor(url, key));
  await rm(`${directory}/SHA256SUMS.sig`, { force: true });
  if (key) await Bun.write(`${directory}/SHA256SUMS.sig`, sign(null, Buffer.from(sums), key));
  const all = [...names, "SHA256SUMS", "install.sh", ...(key ? ["SHA256SUMS.sig"] : [])];
  for (const name of all)
    await link(`${directory}/${name}`, `${numbered}/${name}`).catch(() =>
      copyFile(`${directory}/${name}`, `${numbered}/${name}`),
    );
  await report([...names.map((name) => `${directory}/${name}`), `${directory}/install.sh`, numbered]);
  const where = url === "" ? "URL" : url;
  say(`
upload ${shown(directory)} as it is${url === "" ? "; with --url URL the installer knows where that is" : ` to ${url}`}, then on each machine:
  curl -fsSL ${where}/install.sh | ${url === "" ? "TEN_BASE_URL=URL " : ""}sh`);
  if (key === undefined)
    say(
      "unsigned: with --key FILE the installer checks a signature (openssl genpkey -algorithm ed25519 -out FILE)",
    );
}

/** What was written, and how large it is. */
async function report(paths: readonly string[]): Promise<void> {
  const width = Math.max(...paths.map((path) => shown(path).length));
  for (const path of paths) {
    const stats = await stat(path);
    const size = stats.isDirectory() ? "the same again" : sizeOf(stats.size);
    say(`${shown(path).padEnd(width)}  ${size}`);
  }
}

function sizeOf(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} KB` : `${Math.round(bytes / 1_000_000)} MB`;
}

function shown(path: string): string {
  const below = relative(process.cwd(), path);
  return below.startsWith("..") ? path : below || ".";
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const { values } = parseArgs({
  options: {
    target: { type: "string", multiple: true, default: [] },
    release: { type: "boolean", default: false },
    url: { type: "string", default: "" },
    key: { type: "string" },
    outdir: { type: "string" },
  },
});
const out = values.outdir ?? `${import.meta.dir}/dist`;
await mkdir(out, { recursive: true });
const targets = values.target.map(parseTarget);
for (const target of targets) await build(`${out}/ten-${target}`, target);
if (targets.length > 0) await report(targets.map((target) => `${out}/ten-${target}`));
if (values.release)
  await release(values.outdir ?? `${out}/release`, values.url.replace(/\/+$/, ""), values.key);
if (targets.length === 0 && !values.release) {
  await build(`${out}/ten`);
  await rm(`${out}/slum`, { force: true });
  await symlink("ten", `${out}/slum`);
  await report([`${out}/ten`]);
  say(`${shown(`${out}/slum`)}, a link to it
next: ${shown(`${out}/ten`)} demo; to have it everywhere: sudo cp -P ${shown(`${out}/ten`)} ${shown(`${out}/slum`)} /usr/local/bin/`);
}
