// A directory of plain files as a site.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createSite } from "../../../src/ten/static/site.ts";
import { createTempDir } from "../../support/temp-dir.ts";

const temp = createTempDir();
afterAll(() => temp[Symbol.dispose]());
const root = temp.file("site");
mkdirSync(`${root}/docs/.well-known`, { recursive: true });
mkdirSync(`${root}/.git`);
mkdirSync(`${root}/.well-known`);
for (const [name, text] of [
  ["index.html", "<h1>home"],
  ["docs/index.html", "<h1>docs"],
  ["about.html", "<h1>about"],
  ["a b.txt", "0123456789"],
  ["style.css", "b{}"],
  [".env", "SECRET"],
  [".git/config", "SECRET"],
  [".well-known/security.txt", "contact"],
] as const)
  writeFileSync(`${root}/${name}`, text);
writeFileSync(temp.file("outside.txt"), "SECRET");
symlinkSync(temp.file("outside.txt"), `${root}/link.txt`);
symlinkSync(`${root}/style.css`, `${root}/inside.css`);

const site = createSite({ root, isOnePage: false });
const page = createSite({ root, isOnePage: true });
const get = (path: string, init?: RequestInit, from = site) => from(new Request(`http://site${path}`, init));

describe("a site", () => {
  test.each([
    ["/", 200, "<h1>home", "text/html;charset=utf-8"],
    ["/docs/", 200, "<h1>docs", "text/html;charset=utf-8"],
    ["/about", 200, "<h1>about", "text/html;charset=utf-8"],
    ["/a%20b.txt?x=1", 200, "0123456789", "text/plain;charset=utf-8"],
    ["/style.css", 200, "b{}", "text/css;charset=utf-8"],
    ["/inside.css", 200, "b{}", "text/css;charset=utf-8"],
    ["/.well-known/security.txt", 200, "contact", "text/plain;charset=utf-8"],
  ])("answers %s", async (path, status, body, type) => {
    const answer = get(path);
    expect([answer.status, await answer.text(), answer.headers.get("content-type")]).toEqual([
      status,
      body,
      type,
    ]);
  });

  test.each([
    "/.env",
    "/.git/config",
    "/%2e%65nv",
    "/link.txt",
    "/../outside.txt",
    "/%2e%2e/outside.txt",
    "/..%2foutside.txt",
    "/style.css/",
    "/none",
    "/%00",
    "/%zz",
    "/docs%5c..%5c.env",
  ])("does not answer %s", async (path) => {
    const answer = get(path);
    expect([answer.status, await answer.text()]).toEqual([404, "not found\n"]);
  });

  test("sends a directory to its path, to no other host", () => {
    expect(get("/docs?x").headers.get("location")).toBe("/docs/?x");
    expect(get("//docs").headers.get("location")).toBe("/docs/");
    expect(get("/", { method: "POST" }).status).toBe(405);
  });

  test("tells what is known already", async () => {
    const { headers } = get("/style.css");
    const etag = headers.get("etag") ?? "";
    const modified = headers.get("last-modified") ?? "";
    expect(get("/style.css", { headers: { "If-None-Match": `"x", ${etag}` } }).status).toBe(304);
    expect(get("/style.css", { headers: { "If-Modified-Since": modified } }).status).toBe(304);
    expect(
      get("/style.css", { headers: { "If-None-Match": '"x"', "If-Modified-Since": modified } }).status,
    ).toBe(200);
  });

  test.each([
    ["bytes=2-4", 206, "234", "bytes 2-4/10"],
    ["bytes=7-", 206, "789", "bytes 7-9/10"],
    ["bytes=-2", 206, "89", "bytes 8-9/10"],
    ["bytes=5-99", 206, "56789", "bytes 5-9/10"],
    ["bytes=99-", 416, "", "bytes */10"],
    ["bytes=1-2,4-5", 200, "0123456789", null],
    ["items=1-2", 200, "0123456789", null],
  ])("of a file gives %s", async (range, status, body, shown) => {
    const answer = get("/a%20b.txt", { headers: { Range: range } });
    expect([answer.status, await answer.text(), answer.headers.get("content-range")]).toEqual([
      status,
      body,
      shown,
    ]);
  });

  test("HEAD has the length and no body", async () => {
    const answer = get("/a%20b.txt", { method: "HEAD" });
    expect([answer.headers.get("content-length"), await answer.text()]).toEqual(["10", ""]);
  });

  test("of one page answers pages, and no scripts that there are not", async () => {
    const html = { headers: { Accept: "text/html,*/*" } };
    expect(await get("/orders/7", html, page).text()).toBe("<h1>home");
    expect(get("/orders/7.js", {}, page).status).toBe(404);
    expect(get("/.env", html, page).status).toBe(200);
    expect(await get("/.env", html, page).text()).toBe("<h1>home");
  });

  test("has a page of its own for what is not there", async () => {
    using other = createTempDir();
    writeFileSync(other.file("404.html"), "gone");
    const answer = get("/x", {}, createSite({ root: other.path, isOnePage: false }));
    expect([answer.status, await answer.text()]).toEqual([404, "gone"]);
  });
});
