// Runs all five releases beside v1, one after the other, and prints the story of each: `node run.mjs [v3 v6 ...]`.
import { execFile, spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { Agent, request as send } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

const RELEASES = {
  v2: "as good as v1",
  v3: "5 % errors",
  v4: "100 ms slower",
  v5: "one page of ten fails",
  v6: "crashes of half the visitors",
};
const PAGES = [
  "/",
  "/items",
  "/items/1",
  "/items/2",
  "/search",
  "/cart",
  "/login",
  "/account",
  "/help",
  "/feed",
];
const PER_SECOND = 120;
const TEN = process.env.TEN ?? "ten";
const HERE = import.meta.dirname;

const data = mkdtempSync(join(tmpdir(), "judged-canary-"));
const chosen = process.argv.slice(2).filter((name) => name in RELEASES);
const agent = new Agent({ keepAlive: true });
const seen = { answers: 0, errors: 0 };

/** Resolves with what the command wrote; a canary that was taken back is no failure of the command. */
function ten(...words) {
  return new Promise((resolve, reject) => {
    execFile(TEN, [...words, "--data-dir", data], { cwd: HERE }, (error, stdout, stderr) => {
      if (error) reject(new Error(stderr || error.message));
      else resolve(stdout);
    });
  });
}

function say(text) {
  process.stdout.write(`${text}\n`);
}

function visit(port) {
  const path = PAGES[Math.floor(Math.random() * PAGES.length)];
  const asked = send({ port, path, agent, headers: { Host: "shop.localhost" } }, (answer) => {
    seen.answers += 1;
    if (answer.statusCode !== 200) seen.errors += 1;
    answer.resume();
  });
  asked.on("error", () => {
    seen.errors += 1;
  });
  asked.end();
}

async function until(condition) {
  for (;;) {
    const found = await condition();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** The rollout as it is told, line by line, until it is over. */
async function rollOut(version) {
  say(`\n── ${version}: ${RELEASES[version]} ${"─".repeat(60 - RELEASES[version].length)}`);
  const before = { ...seen };
  const began = Date.now();
  await ten("deploy", "shop", "--version", version, "--canary", "--detach");
  let step = "";
  const end = await until(async () => {
    const rollout = JSON.parse(await ten("rollout", "shop", "--json"));
    const now = `${rollout.phase} ${rollout.step}`;
    if (now !== step && rollout.outcome === null) say(`${seconds(began)}   ${rollout.text}`);
    step = now;
    return rollout.outcome === null ? undefined : rollout;
  });
  say(`${seconds(began)}   ${end.text}`);
  say(
    `        visitors: ${seen.answers - before.answers} answers, ${seen.errors - before.errors} errors seen`,
  );
}

function seconds(began) {
  return `${((Date.now() - began) / 1000).toFixed(0).padStart(4)} s`;
}

const serve = spawn(TEN, ["serve", "--port", "0", "--json", "--data-dir", data], { cwd: HERE });
// When this script is ended, in whatever way, its server and directory go too: a Ctrl-C is not for the guard, which waits for the end of its input.
const guarding = 'cat; kill "$1"; while kill -0 "$1"; do sleep 0.1; done; rm -rf "$2"';
const guard = spawn("sh", ["-c", guarding, "guard", String(serve.pid), data], {
  detached: true,
  stdio: ["pipe", "ignore", "ignore"],
});
let visitors;
try {
  const url = await new Promise((resolve, reject) => {
    serve.stdout.once("data", (line) => resolve(new URL(JSON.parse(line).url)));
    serve.once("error", reject);
    serve.once("exit", () => reject(new Error("ten serve ended")));
  });
  await until(async () => {
    const { instances } = JSON.parse(await ten("ps", "--json"));
    return instances.some(({ state }) => state === "healthy");
  });
  visitors = setInterval(() => {
    for (let i = 0; i < PER_SECOND / 20; i++) visit(Number(url.port));
  }, 50);
  say(`${PER_SECOND} visitors a second; a moment, so that there is something to compare with`);
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  const stories = chosen.length > 0 ? chosen : Object.keys(RELEASES);
  for (const version of stories) await rollOut(version);
  say(`\n${await ten("history", "shop")}`);
} finally {
  clearInterval(visitors);
  agent.destroy();
  guard.stdin.end();
  await new Promise((resolve) => guard.once("exit", resolve));
}
