// Builds the one executable: `bun build.ts` for this machine, `--target=linux-arm64` for another, `--release` for all, with checksums and the installer.
import { copyFile, mkdir, rename, rm, symlink } from "node:fs/promises";
import { parseArgs } from "node:util";

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

/** The executable appears whole or not at all, also where the one before it is running. */
async function build(outfile: string, target?: Target): Promise<void> {
  const unfinished = `${outfile}.${process.pid}.tmp`;
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
  // The map is embedded; the copy beside the executable is of no use.
  await rm(`${unfinished}.map`, { force: true });
  await rename(unfinished, outfile);
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

/** A file `SHA256SUMS` as `sha256sum --check` reads it. */
async function writeSums(names: readonly string[]): Promise<void> {
  const lines = names.map(async (name) => {
    const hash = new Bun.CryptoHasher("sha256");
    for await (const chunk of Bun.file(`${OUT}/${name}`).stream()) hash.update(chunk);
    return `${hash.digest("hex")}  ${name}\n`;
  });
  await Bun.write(`${OUT}/SHA256SUMS`, (await Promise.all(lines)).join(""));
}

const { values } = parseArgs({
  options: {
    target: { type: "string", multiple: true, default: [] },
    release: { type: "boolean", default: false },
    outdir: { type: "string", default: `${import.meta.dir}/dist` },
  },
});
const OUT = values.outdir;
await mkdir(OUT, { recursive: true });
const targets = values.release ? (Object.keys(TARGETS) as Target[]) : values.target.map(parseTarget);
for (const target of targets) await build(`${OUT}/ten-${target}`, target);
if (values.release) {
  await writeSums(targets.map((target) => `ten-${target}`));
  await copyFile(`${import.meta.dir}/install.sh`, `${OUT}/install.sh`);
}
if (targets.length === 0) {
  await build(`${OUT}/ten`);
  await rm(`${OUT}/slum`, { force: true });
  await symlink("ten", `${OUT}/slum`);
}
