// The ways of the dashboard in a real browser: what an operator under pressure stumbles over when they are not so.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Chromium, hasChromium, startChromium, type Tab } from "../support/chromium.ts";
import { until } from "../support/until.ts";
import { openGate, startFleet } from "./fleet.ts";
import type { Ten } from "./ten.ts";

// A browser beside everything else that a machine tests.
setDefaultTimeout(180_000);

let ten: Ten;
let chromium: Chromium;
let tab: Tab;
const own = (path: string, init: RequestInit = {}) =>
  fetch(`http://127.0.0.1:${ten.port}${path}`, { ...init, headers: { Host: "localhost", ...init.headers } });
const find = (selector: string, text = "") =>
  `[...document.querySelectorAll(${JSON.stringify(selector)})].find((one) => one.textContent.includes(${JSON.stringify(text)}))`;
const click = (selector: string, text = "") => tab.click(selector, text);
/** Escape, until no dialog is open: one that is only just drawn does not hear it. */
const closeAll = () =>
  until(
    "no dialog is open",
    async () => {
      if (!(await tab.evaluate<boolean>("Boolean(document.querySelector('dialog'))"))) return true;
      await tab.press("Escape");
      return false;
    },
    180_000,
  );
const shows = (text: string, selector = "body") =>
  tab.sees(`${selector} shows ${text}`, `Boolean(${find(selector, text)})`);
const focused = () =>
  tab.evaluate<string>(
    "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim()",
  );
const type = (selector: string, text: string) =>
  tab.evaluate(
    `(() => { const field = document.querySelector(${JSON.stringify(selector)}); field.value = ${JSON.stringify(text)}; field.dispatchEvent(new Event("input", { bubbles: true })); })()`,
  );
const WIDE = { width: 1440, height: 900 };

describe.skipIf(!hasChromium)("in chromium (skipped where there is none)", () => {
  beforeAll(async () => {
    ten = await startFleet({ settings: "failed_retry_secs = 0\nmax_restarts = 1" });
    await ten.ok("deploy", "web:v1");
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2", "--weight", "10");
    chromium = await startChromium();
    tab = await chromium.tab();
    await tab.look(WIDE);
    await tab.open((await ten.json<{ url: string }>("dashboard")).url);
    await shows("v1 90 %", ".legend");
  }, 180_000);
  afterAll(async () => {
    await chromium?.[Symbol.asyncDispose]();
    await ten?.[Symbol.asyncDispose]();
  });

  test("the focus is back where it was when a dialog closes, however it closes", async () => {
    for (const close of ["Escape", "Enter"]) {
      await tab.evaluate(`${find(".set", "10")}.focus()`);
      await tab.press("Enter");
      await tab.sees("the dialog", "document.querySelector('dialog .steps')");
      await tab.sees("focus in it", "document.querySelector('dialog').contains(document.activeElement)");
      if (close === "Escape") await closeAll();
      else {
        await tab.sees(
          "it may be confirmed",
          "document.querySelector('dialog button.primary')?.disabled === false",
        );
        await tab.evaluate("document.querySelector('dialog button.primary').focus()");
        await tab.press("Enter");
      }
      await tab.sees("no dialog", "!document.querySelector('dialog')");
      await tab.sees("the focus", "document.activeElement.matches('.set')");
      expect(await focused()).toContain("Set the weight of api:v2");
    }
  });

  test("what a change led to lies over the page and moves nothing, and its undo is a button", async () => {
    const top = () =>
      tab.evaluate<number>(`${find(".set", "")}.getBoundingClientRect().top`).then(Math.round);
    await tab.sees("nothing said", "true");
    if (await tab.evaluate<boolean>("Boolean(document.querySelector('[aria-label=Dismiss]'))"))
      await click("[aria-label=Dismiss]");
    const before = await top();
    await click(".set", "10");
    await tab.sees("the dialog", "document.querySelector('dialog .steps')");
    await click("dialog .steps button", "25 %");
    const table = () =>
      tab
        .evaluate<number>("document.querySelector('.instances').getBoundingClientRect().top")
        .then(Math.round);
    await tab.sees("the charts", "document.querySelector('.charted .traffic')");
    const tableBefore = await table();
    await tab.sees("ready", "document.querySelector('dialog button.primary')?.disabled === false");
    await click("dialog button.primary");
    await shows("ten weight api:v1=90 api:v2=10", ".outcomes");
    expect(await top()).toBe(before);
    await tab.sees("its mark", "document.querySelector('.marks')?.textContent.includes('weight api:v2 25')");
    expect(await table()).toBe(tableBefore);
    await click(".undo > button", "Undo");
    await shows("v1 90 %", ".legend");
    expect((await ten.ps())["api:v2"]?.weight).toBe(10);
    await click("[aria-label=Dismiss]");
  });

  test("a drawer, a filter and a log's search are in the address, and Back leaves them", async () => {
    await click(".name", "v2");
    await tab.sees("the drawer", "document.querySelector('dialog.drawer')");
    expect(await tab.evaluate<string>("location.search")).toBe("?open=api:v2");
    await type(".log input[type=search]", "nothing like it");
    await shows("no line matches", ".lines");
    expect(await tab.evaluate<string>("location.search")).toBe("?open=api:v2&search=nothing+like+it");
    await tab.evaluate("history.back()");
    await tab.sees("no drawer", "!document.querySelector('dialog')");
    await tab.evaluate("history.forward()");
    await tab.sees("the drawer again", "document.querySelector('dialog.drawer')");
    const address = await tab.evaluate<string>("location.href");
    await closeAll();
    await tab.open(address);
    await shows("api:v2", "dialog.drawer h2");
    await tab.sees(
      "the search",
      "document.querySelector('.log input[type=search]')?.value === 'nothing like it'",
    );
    await closeAll();
    expect(await tab.evaluate<string>("location.search")).toBe("");
  });

  test("a service's log tells its instances apart, searches a time range, and is saved as a file", async () => {
    for (const id of ["v1", "v2"])
      await (
        await own("/", { method: "POST", body: `of ${id}`, headers: { Host: `${id}.api.localhost` } })
      ).text();
    await click("[aria-label='Log of all instances of api']");
    await shows("seen of v1", ".lines");
    await shows("seen of v2", ".lines");
    const swatches = await tab.evaluate<string[]>(
      "[...document.querySelectorAll('.lines > div')].filter((one) => one.textContent.includes('seen of v')).map((one) => one.querySelector('.of').textContent + ' ' + one.querySelector('.of i').className)",
    );
    expect(new Set(swatches)).toEqual(new Set(["v1 c0", "v2 c1"]));
    await tab.evaluate(
      "(() => { const time = document.querySelector('[aria-label=Time]'); time.value = '15m'; time.dispatchEvent(new Event('change', { bubbles: true })); })()",
    );
    await shows("seen of v1", ".lines");
    expect(await tab.evaluate<string>("location.search")).toBe("?log=api&time=15m");
    // What came around one line is a link too.
    await click(".lines .time");
    await tab.sees("a range", "document.querySelectorAll('.log input[type=datetime-local]').length === 2");
    await shows("seen of v2", ".lines");
    const saved = tab.evaluate<string>(
      "new Promise((resolve) => { const make = URL.createObjectURL; URL.createObjectURL = (blob) => { blob.text().then(resolve); return make.call(URL, blob); }; })",
    );
    await click(".log button", "Download");
    expect(await saved).toMatch(/^20\S+Z api:v1 stdout seen of v1\n/m);
    await closeAll();
  });

  test("Route proposes what is well and has nothing yet, never the one that has a share", async () => {
    await click(".service header button", "Route");
    await tab.sees("the choice", "document.querySelector('dialog select[required]')");
    expect(await tab.evaluate<string>("document.querySelector('dialog select[required]').value")).toBe("");
    expect(await tab.evaluate<boolean>("document.querySelector('dialog button.primary').disabled")).toBe(
      true,
    );
    await closeAll();
  });

  test("stopping the only instance says what visitors will get", async () => {
    await click(".service:last-of-type .name", "v1");
    await shows("web:v1", "dialog h2");
    await click("dialog .acts button", "Stop");
    await shows("its visitors get 503 until something does", "dialog .warning");
    await closeAll();
  });

  test("a failed deploy is kept with all that was found, and a crash loop is one line that counts", async () => {
    await ten.run("deploy", "api:crash");
    await shows("deploy.failed", ".events");
    await click(".events summary");
    await shows("no database", ".events pre");
    await shows("line 30", ".events pre");
    const { stdout } = await ten.ok("events", "--kind", "deploy.failed");
    expect(stdout).toContain("crashed: it exited with code 7");
    expect(stdout).toContain("no database");
  });

  test("trouble is counted in the header and the title, found by a click, and on top", async () => {
    await ten.ok("spawn", "web:crash", "--weight", "0");
    await shows("1 failed", ".trouble");
    await tab.sees("it in the title", "document.title.startsWith('(1 failed) ten')");
    const first = () => tab.evaluate<string>("document.querySelector('.service h2').textContent");
    await until("web is on top", async () => (await first()) === "web");
    await click(".trouble");
    await tab.sees("one row", "document.querySelectorAll('.instances tbody tr').length === 1");
    expect(await tab.evaluate<string>("location.search")).toBe("?filter=failed");
    await click(".trouble");
    await tab.sees("all rows", "document.querySelectorAll('.instances tbody tr').length > 2");
    const entries = await tab.evaluate<number>(
      "[...document.querySelectorAll('.events li')].filter((one) => one.textContent.includes('web:crash')).length",
    );
    expect(entries).toBeLessThan(10);
  });

  test.each([
    ["light", WIDE],
    ["dark", { ...WIDE, scheme: "dark" }],
    ["a phone", { width: 390, height: 844 }],
  ] as const)("axe finds nothing: %s", async (_, view) => {
    await tab.look(view);
    expect(await tab.axe()).toEqual([]);
    await click(".name", "v2");
    await tab.sees("the drawer", "document.querySelector('dialog[open]')");
    expect(await tab.axe()).toEqual([]);
    await closeAll();
    await click(".set");
    await tab.sees("the consequence", "document.querySelector('dialog[open] .change')");
    expect(await tab.axe()).toEqual([]);
    await closeAll();
    // A scroll bar takes some of a wide window.
    expect(await tab.evaluate<number>("document.documentElement.scrollWidth")).toBeWithin(0, view.width + 1);
    await tab.look(WIDE);
  });

  test("names as long as they may be fit a phone", async () => {
    const long = `${"a".repeat(30)}-${"b".repeat(32)}`;
    await ten.ok("spawn", `web:${long}`, "--version", "v1", "--weight", "0");
    await tab.look({ width: 390, height: 844 });
    await shows("a-b", ".name");
    expect(await tab.evaluate<number>("document.documentElement.scrollWidth")).toBe(390);
    const wider = `[...document.querySelectorAll(".instances .name")].filter((one) => one.getBoundingClientRect().right > one.closest("th").getBoundingClientRect().right).length`;
    expect(await tab.evaluate<number>(wider)).toBe(0);
    await tab.look(WIDE);
    expect(await tab.evaluate<number>(wider)).toBe(0);
  });

  test("what is not to be seen is not charted, and is once one comes to it", async () => {
    await tab.look({ width: 1440, height: 300 });
    await tab.evaluate("scrollTo(0, 0)");
    const charted = "[...document.querySelectorAll('.charted')].map((one) => one.children.length).join('')";
    await tab.evaluate("document.querySelector('main').style.paddingTop = '3000px'");
    await tab.sees("no charts", `${charted} === '00'`);
    await tab.evaluate("document.querySelector('.charted').scrollIntoView()");
    await tab.sees("charts", `${charted}.startsWith('1')`);
    await tab.evaluate("document.querySelector('main').style.paddingTop = ''");
    await tab.look(WIDE);
  });

  test("the page says within seconds that a server which hangs is not live", async () => {
    await shows("live", ".pulse");
    ten.kill("SIGSTOP");
    try {
      await tab.sees("its age", "/no answer for \\d+ s/.test(document.querySelector('.pulse').textContent)");
    } finally {
      ten.kill("SIGCONT");
    }
    await tab.sees("live again", "document.querySelector('.pulse').lastChild.textContent === 'live'");
  });

  test("the page is sent compressed to those that take it, and is small", async () => {
    const plain = await own("/page.js", { headers: { "Accept-Encoding": "identity" } });
    expect(plain.headers.get("content-encoding")).toBeNull();
    const raw = { headers: { "Accept-Encoding": "br, gzip" }, decompress: false } as RequestInit;
    const zipped = await own("/page.js", raw);
    expect([zipped.headers.get("content-encoding"), zipped.headers.get("vary")]).toEqual([
      "gzip",
      "Accept-Encoding",
    ]);
    const bytes = new Uint8Array(await zipped.arrayBuffer());
    expect(bytes.length).toBeLessThan(120_000);
    expect(new TextDecoder().decode(Bun.gunzipSync(bytes))).toBe(await plain.text());
    const etag = zipped.headers.get("etag") ?? "";
    expect(etag).not.toBe(plain.headers.get("etag") ?? "");
    const again = await own("/page.js", { headers: { "Accept-Encoding": "gzip", "If-None-Match": etag } });
    expect(again.status).toBe(304);
  });
});

describe.skipIf(!hasChromium)("charts, in chromium (skipped where there is none)", () => {
  test("show a canary's traffic, say that it is worse, mark who moved its weight, and are read by keys", async () => {
    await using ten = await startFleet({ service: 'direct = "open"' });
    await using chromium = await startChromium();
    await ten.ok("deploy", "api:v1");
    await openGate(ten);
    await ten.ok("deploy", "api:fickle", "--weight", "50");
    await ten.split("api.localhost", 200, 4);
    await ten.get("fickle.api.localhost", "/fall");
    const tab = await chromium.tab();
    await tab.look(WIDE);
    await tab.open((await ten.json<{ url: string }>("dashboard")).url);
    await until(
      "some have failed",
      async () => {
        await ten.split("api.localhost", 200, 4);
        return tab.evaluate<boolean>(
          "document.querySelector('.verdict')?.textContent.includes('fickle is worse')",
        );
      },
      120_000,
    );
    await tab.sees("lines", "document.querySelectorAll('.plot path.line').length >= 6");
    await ten.ok("weight", "api:fickle", "10");
    await tab.sees(
      "the mark",
      "document.querySelector('.marks')?.textContent.includes('weight api:fickle 10')",
    );
    await tab.sees("it in the chart", "document.querySelectorAll('.mark').length > 0");
    const plot = "document.querySelector('.plot')";
    await tab.evaluate(`${plot}.focus()`);
    const words = () => tab.evaluate<string>(`${plot}.getAttribute('aria-valuetext')`);
    await tab.press("ArrowLeft");
    const before = await words();
    expect(before).toMatch(/^\d\d:\d\d:\d\d, v1 \S+, fickle \S+$/);
    await tab.press("ArrowLeft");
    await until("another time", async () => (await words()) !== before);
    await tab.click(".numbers summary");
    await tab.sees("the numbers as a table", "document.querySelectorAll('.numbers tbody tr').length >= 10");
    expect(await tab.evaluate<string>("document.querySelector('.numbers thead').textContent")).toContain(
      "Errors, fickle",
    );
    expect(await tab.axe()).toEqual([]);
    await tab.look({ width: 390, height: 844 });
    expect(await tab.evaluate<number>("document.documentElement.scrollWidth")).toBe(390);
    await tab.look(WIDE);
    await tab.evaluate(
      "[...document.querySelectorAll('.ranges button')].find((one) => one.textContent === '15 min').click()",
    );
    await tab.sees("the range", "location.search === '?range=15m'");
    expect(tab.complaints).toEqual([]);
  });
});
