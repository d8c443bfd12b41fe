// Builds the one executable: `bun build.ts` for this machine, `bun build.ts --target=linux-arm64` for another.
import { mkdir, rm, symlink } from "node:fs/promises";
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

async function build(outfile: string, target?: Target): Promise<void> {
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
      outfile,
      autoloadDotenv: false,
      autoloadBunfig: false,
      execArgv: [`--max-http-header-size=${MAX_HEADER_BYTES}`],
    },
  });
  // The map is embedded; the copy beside the executable is of no use.
  await rm(`${outfile}.map`, { force: true });
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

const { values } = parseArgs({
  options: {
    target: { type: "string", multiple: true },
    outdir: { type: "string", default: `${import.meta.dir}/dist` },
  },
});
const OUT = values.outdir;
await mkdir(OUT, { recursive: true });
if (values.target) {
  for (const target of values.target.map(parseTarget)) await build(`${OUT}/ten-${target}`, target);
} else {
  await build(`${OUT}/ten`);
  await rm(`${OUT}/slum`, { force: true });
  await symlink("ten", `${OUT}/slum`);
}
