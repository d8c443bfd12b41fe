// Makes node_modules what package-lock.json says, before any other command; runs on Node as on Bun, with npm as without it.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL(".", import.meta.url));
const bun = join(root, "node_modules/.bin/bun");

if (!isInstalled()) {
  process.stderr.write("installing what package-lock.json lists\n");
  install();
}
// Bun's package holds a placeholder until its postinstall script has run, which a cautious npm does not run.
if (!works(bun)) run(process.execPath, ["node_modules/bun/install.js"]);

/** Whether every package that is not optional is there in the locked version. */
function isInstalled() {
  const { packages } = readJson("package-lock.json");
  return Object.entries(packages).every(
    ([path, { version, optional }]) =>
      path === "" || optional || readJson(join(path, "package.json"))?.version === version,
  );
}

function install() {
  if (works("npm")) run("npm", ["ci", "--no-audit", "--no-fund"]);
  else run(process.execPath, ["install", "--frozen-lockfile"]);
}

function works(program) {
  return spawnSync(program, ["--version"], { cwd: root }).status === 0;
}

/** What the program says goes to stderr: stdout belongs to the command that set-up makes ready. */
function run(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (status === 0) return;
  process.stderr.write(`error: ${[program, ...args].join(" ")} failed${error ? `: ${error.message}` : ""}\n`);
  process.exit(1);
}

function readJson(path) {
  const file = join(root, path);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}
