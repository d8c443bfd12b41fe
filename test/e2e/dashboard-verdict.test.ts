// What an operator in the middle of a canary reads first, in a real browser: which version is worse, by how much, since when, what to do.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Chromium, hasChromium, startChromium, type Tab } from "../support/chromium.ts";
import { writeRelease } from "../support/releases.ts";
import { until } from "../support/until.ts";
import { startTen, type Ten } from "./ten.ts";

// A browser beside everything else that a machine tests.
setDefaultTimeout(180_000);

/** Passes its checks; `bad` fails every third request. */
const APP = `
const { PORT, HOST: hostname } = process.env;
let count = 0;
Bun.serve({ port: Number(PORT), hostname, fetch: (request) => {
  if (new URL(request.url).pathname === "/health") return new Response("ok");
  count += 1;
  const fails = process.env.TEN_INSTANCE?.endsWith(":bad") && count % 3 === 0;
  return new Response("answer", { status: fails ? 500 : 200 });
} });
`;

let ten: Ten;

beforeAll(async () => {
  const service = (name: string) =>
    `[service.${name}]\ncommand = ${JSON.stringify(`'${process.execPath}' app.ts`)}\nworkdir = "releases/{version}"\nhealth = "/health"\n`;
  ten = await startTen({
    toml: `[settings]\nfailed_retry_secs = 0\nmax_restarts = 0\n${service("aaa")}${service("shop")}`,
    prepare(dir) {
      for (const version of ["v1", "bad", "v3"]) writeRelease(dir, version, "app.ts", APP);
      writeRelease(dir, "crash", "app.ts", "process.exit(7)");
    },
  });
  await ten.ok("deploy", "aaa:v1");
  await ten.ok("spawn", "aaa:crash", "--weight", "0");
  await ten.ok("deploy", "shop:v1");
  await ten.split("shop.localhost", 100, 4);
  await ten.ok("deploy", "shop:bad", "--weight", "50");
  await ten.split("shop.localhost", 300, 4);
}, 180_000);
afterAll(() => ten?.[Symbol.asyncDispose]());

test("ten top and ten why say which version is worse, by how much, since when, and what to do", async () => {
  const said = "bad is worse: it fails 33.3 %, v1 0.0 % in the last 5 min";
  let top = "";
  await until("it is counted", async () => {
    top = (await ten.ok("top")).stdout;
    return top.includes(`shop: ${said}`);
  });
  expect(top).toMatch(/since \d\d:\d\d:\d\d, with deploy shop:bad; what to do: ten rollback shop\n/);
  expect(top.indexOf("\nshop")).toBeLessThan(top.indexOf("\naaa"));
  const { stdout, exit } = await ten.run("why", "shop:bad");
  expect(stdout).toContain("ten rollback shop takes its traffic away");
  expect(exit).toBe(5);
});

let chromium: Chromium;
let tab: Tab;
const WIDE = { width: 1440, height: 900 };
const text = (selector: string) =>
  tab.evaluate<string>(`document.querySelector(${JSON.stringify(selector)})?.textContent ?? ""`);
const shows = (selector: string, words: string) =>
  tab.sees(
    `${selector} shows ${words}`,
    `[...document.querySelectorAll(${JSON.stringify(selector)})].some((one) => one.textContent.replaceAll("\\u00a0", " ").includes(${JSON.stringify(words)}))`,
  );
const closeDialog = () =>
  until("no dialog is open", async () => {
    if (!(await tab.evaluate<boolean>("Boolean(document.querySelector('dialog'))"))) return true;
    await tab.press("Escape");
    return false;
  });

describe.skipIf(!hasChromium)("in chromium (skipped where there is none)", () => {
  beforeAll(async () => {
    chromium = await startChromium();
    tab = await chromium.tab();
    await tab.look(WIDE);
    await tab.open((await ten.json<{ url: string }>("dashboard")).url);
  }, 180_000);
  afterAll(async () => {
    await chromium?.[Symbol.asyncDispose]();
  });

  test("the worse version is named on top, by how much, since when, with which change", async () => {
    await shows(".verdict strong", "bad is worse: it fails 33.3 %, v1 0.0 % in the last 5 min");
    expect(await text(".verdict .since")).toMatch(/^ since \d\d:\d\d:\d\d, for \d.*s, with deploy shop:bad$/);
    await shows(".trouble", "1 failed");
    await shows(".trouble", "1 degraded");
    await tab.sees("the title", "document.title.startsWith('(1 failed, 1 degraded) ten')");
    // What visitors meet comes before what nobody is sent to.
    expect(await text(".service h2")).toBe("shop");
    expect(await tab.axe()).toEqual([]);
    for (const scheme of ["light", "dark"] as const) {
      await tab.look({ width: 390, height: 844, scheme });
      expect(await tab.axe()).toEqual([]);
      const bottom = await tab.evaluate<number>(
        "document.querySelector('.verdict button.primary').getBoundingClientRect().bottom",
      );
      expect(bottom).toBeLessThan(844);
      expect(await tab.evaluate<number>("document.documentElement.scrollWidth")).toBe(390);
    }
    await tab.look(WIDE);
  });

  test("the header finds it, and its name says why", async () => {
    await tab.click(".trouble", "degraded");
    await tab.sees("one row", "document.querySelectorAll('.instances tbody tr').length === 1");
    expect(await tab.evaluate<string>("location.search")).toBe("?filter=degraded");
    await tab.click(".trouble", "degraded");
    await tab.click(".verdict button", "Why");
    await shows("dialog h2", "shop:bad");
    await shows("dialog .cause", "it fails");
    await closeDialog();
  });

  test("what to do is a button, and what is taken back is nobody's trouble any more", async () => {
    await tab.click(".verdict button", "Roll back");
    await shows("dialog .command", "ten rollback shop");
    await tab.sees("ready", "document.querySelector('dialog button.primary')?.disabled === false");
    await tab.click("dialog button.primary");
    await tab.sees("no verdict", "!document.querySelector('.verdict')");
    await shows(".service .count", "v1 fails 0.0 % in the last 5 min");
    await tab.sees("the header", "document.querySelectorAll('.trouble').length === 1");
    expect((await ten.ps())["shop:bad"]?.weight).toBe(0);
  });

  test("where the older version is the worse one, the way is on to the newer", async () => {
    await ten.ok("route", "shop", "--to", "bad");
    await ten.ok("deploy", "shop:v3", "--weight", "50");
    await ten.split("shop.localhost", 300, 4);
    await shows(".verdict button.primary", "Route to v3…");
    await tab.click(".verdict button.primary");
    await tab.sees("the choice", "document.querySelector('dialog select[required]')?.value === 'v3'");
    await closeDialog();
    expect(tab.complaints).toEqual([]);
  });
});
