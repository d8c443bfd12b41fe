// `ten init` in directories as people have them, and then `ten serve`.
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTempDir } from "../support/temp-dir.ts";
import { runTen, startTen, untilState } from "./ten.ts";

/** A directory with what `init` makes of it, served. */
async function served(files: Readonly<Record<string, string>>, ...words: string[]) {
  using at = createTempDir();
  const write = (dir: string) => {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(dir, name, ".."), { recursive: true });
      writeFileSync(join(dir, name), text, { mode: name === ".env" ? 0o600 : 0o644 });
    }
  };
  mkdirSync(at.file("shop"));
  write(at.file("shop"));
  const { exit, stdout, stderr } = await runTen(at.file("shop"), ["init", ...words]);
  if (exit !== 0) throw new Error(stderr);
  const toml = readFileSync(at.file("shop/tenement.toml"), "utf8");
  const ten = await startTen({ toml, prepare: write });
  return { ten, stdout, stderr, [Symbol.asyncDispose]: () => ten[Symbol.asyncDispose]() };
}

test("a static site is served by ten's own server, and nothing that is hidden", async () => {
  await using at = await served({ "index.html": "<h1>shop", "about.html": "about", ".env": "SECRET=1" });
  expect(at.stdout).toContain("shop: a static site (index.html): ");
  await untilState(at.ten, "shop:v1", "healthy");
  const answers = await Promise.all(
    ["/", "/about", "/.env"].map((path) => at.ten.get("shop.localhost", path)),
  );
  expect(answers.map(({ status, body }) => [status, body])).toEqual([
    [200, "<h1>shop"],
    [200, "about"],
    [404, "not found\n"],
  ]);
});

test.skipIf(!Bun.which("node"))("several apps in directories are several services", async () => {
  const app = (text: string) =>
    `require("http").createServer((_, r) => r.end("${text}")).listen(process.env.PORT, process.env.HOST)`;
  await using at = await served({ "api/server.js": app("api"), "web/server.js": app("web") });
  for (const id of ["api:v1", "web:v1"]) await untilState(at.ten, id, "healthy");
  expect((await at.ten.get("api.localhost")).body).toBe("api");
  expect((await at.ten.get("web.localhost")).body).toBe("web");
});

test("an app more is added to a file that is there, and starts with a reload", async () => {
  await using at = await served({ "index.html": "first" });
  await untilState(at.ten, "shop:v1", "healthy");
  mkdirSync(join(at.ten.dir, "docs"));
  writeFileSync(join(at.ten.dir, "docs/index.html"), "second");
  const { stdout, stderr } = await runTen(join(at.ten.dir, "docs"), ["init"]);
  expect([stdout, stderr]).toEqual([
    expect.stringContaining("changed ../tenement.toml"),
    expect.stringContaining("ten reload"),
  ]);
  expect(existsSync(join(at.ten.dir, "docs/tenement.toml"))).toBe(false);
  await at.ten.ok("reload");
  await untilState(at.ten, "docs:v1", "healthy");
  expect((await at.ten.get("docs.localhost")).body).toBe("second");
});

test("an app that is not known is asked for; another directory is where to go", async () => {
  using at = createTempDir();
  writeFileSync(at.file("notes.txt"), "");
  const unknown = await runTen(at.path, ["init"]);
  expect([unknown.exit, unknown.stderr]).toEqual([
    2,
    expect.stringContaining("ten init --command './server"),
  ]);
  expect(existsSync(at.file("tenement.toml"))).toBe(false);
  mkdirSync(at.file("shop"));
  writeFileSync(at.file("shop/.env"), "SECRET=1", { mode: 0o644 });
  const below = await runTen(at.path, [
    "init",
    "shop",
    "--name",
    "web",
    "--command",
    "./run -p 80",
    "--port",
    "80",
  ]);
  expect(below.stderr).toContain("start it with: cd shop && ten serve; then open http://web.localhost:8080");
  expect(below.stderr).toContain("chmod 600 shop/.env");
  expect(readFileSync(at.file("shop/tenement.toml"), "utf8")).toContain('command = "./run -p {port}"');
  expect((await runTen(at.path, ["static", "none", "--port", "0"])).stderr).toContain("is the site built?");
});
