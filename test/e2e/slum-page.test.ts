// slum's page in a real browser: the grid of servers, the last day, failovers and tenants, by keys, by axe, on a phone.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { type Chromium, hasChromium, startChromium, type Tab } from "../support/chromium.ts";
import { startOrigin } from "../support/origin.ts";
import { until } from "../support/until.ts";
import { type Slum, startSlum } from "./slum.ts";

// A browser beside everything else that a machine tests.
setDefaultTimeout(180_000);

const WIDE = { width: 1440, height: 900 };
const SERVERS = [
  ["iad-1", "us-east"],
  ["iad-2", "us-east"],
  ["fra-1", "eu"],
] as const;
const TENANTS = 120;

let slum: Slum;
let chromium: Chromium;
let tab: Tab;
const origins: ReturnType<typeof startOrigin>[] = [];

const find = (selector: string, text = "") =>
  `[...document.querySelectorAll(${JSON.stringify(selector)})].find((one) => one.textContent.includes(${JSON.stringify(text)}))`;
const shows = (text: string, selector = "body") =>
  tab.sees(`${selector} shows ${text}`, `Boolean(${find(selector, text)})`);
const address = () => tab.evaluate<string>("location.search");
const type = (selector: string, text: string) =>
  tab.evaluate(
    `(() => { const field = document.querySelector(${JSON.stringify(selector)}); field.value = ${JSON.stringify(text)}; field.dispatchEvent(new Event("input", { bubbles: true })); })()`,
  );
const closeAll = () =>
  until("no dialog is open", async () => {
    if (!(await tab.evaluate<boolean>("Boolean(document.querySelector('dialog'))"))) return true;
    await tab.press("Escape");
    return false;
  });

/** Presses Tab until what has the focus is called so, as who has no pointer does. */
async function tabTo(label: string): Promise<void> {
  for (let presses = 0; presses < 80; presses += 1) {
    await tab.press("Tab");
    const name = await tab.evaluate<string>(
      "document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent?.trim() ?? ''",
    );
    if (name === label) return;
  }
  throw new Error(`Tab does not come to ${label}`);
}

describe.skipIf(!hasChromium)("in chromium (skipped where there is none)", () => {
  beforeAll(async () => {
    slum = await startSlum();
    for (const [id, region] of SERVERS) {
      const origin = startOrigin(() => new Response(id));
      origins.push(origin);
      await slum.ok("server", "add", id, origin.url, "--region", region);
    }
    const socket = join(slum.dataDir, "slum.sock");
    for (let n = 0; n < TENANTS; n += 1) {
      const body = { id: `t${n}`, domain: `t${n}.test`, server: n % 2 ? "iad-1" : "fra-1", service: "api" };
      const init = { method: "POST", unix: socket, body: JSON.stringify(body) } as RequestInit;
      const answer = await fetch("http://localhost/api/tenants", init);
      expect([n, answer.status]).toEqual([n, 200]);
    }
    chromium = await startChromium();
    tab = await chromium.tab();
    await tab.look(WIDE);
    await tab.open((await slum.json<{ url: string }>("dashboard")).url);
    await tab.sees("all are online", "document.querySelectorAll('.tile .state-healthy').length === 3");
  }, 180_000);
  afterAll(async () => {
    await chromium?.[Symbol.asyncDispose]();
    await slum?.[Symbol.asyncDispose]();
    for (const origin of origins) await origin[Symbol.asyncDispose]();
  });

  test("servers stand in a grid by region, each with its latency and its last day", async () => {
    await tab.sees("all are online", "document.querySelectorAll('.tile .state-healthy').length === 3");
    const regions = await tab.evaluate<string[]>(
      "[...document.querySelectorAll('.region')].map((one) => one.getAttribute('aria-label') + ': ' + [...one.querySelectorAll('.tile .name')].map((name) => name.textContent).join(' '))",
    );
    expect(regions).toEqual(["Region eu: fra-1", "Region us-east: iad-1 iad-2"]);
    await shows("2 of 2 take requests", ".region h3");
    await tab.sees("latencies", "/ms|µs/.test(document.querySelector('.latency b').textContent)");
    await tab.sees(
      "the day",
      "/^up [\\d.]+ % of the last day, never offline$/.test(document.querySelector('.day')?.getAttribute('aria-label') ?? '')",
    );
  });

  test("one that falls is on top, in the title and along the time line, and its way back too", async () => {
    origins[0]?.stop();
    await shows("offline", ".tile.bad");
    await shows("1 offline", ".trouble");
    await tab.sees("the title", "document.title.startsWith('(1 offline')");
    await shows("iad-1 offline for", ".outages li.bad");
    await shows("home of 60 tenants", ".outages li.bad");
    await tab.sees("its bar", "document.querySelector('.timeline rect.down')");
    await shows("failover", ".tenants .badge");
    // Which one, since when, whom it hurts, what to do: above everything else, and no latency that it once had.
    await shows("iad-1 is offline", ".verdict strong");
    await tab.sees(
      "since when",
      "/since \\d\\d:\\d\\d:\\d\\d, for .*s, home of 60 tenants$/.test(document.querySelector('.verdict .since')?.textContent ?? '')",
    );
    expect(await tab.evaluate<string>("document.querySelector('.tile.bad .latency').textContent")).toMatch(
      /^since \d\d:\d\d:\d\d, for /,
    );
    await tab.click(".verdict button", "Why");
    await shows("iad-1", "dialog.drawer h2");
    await closeAll();
    origins[0]?.restart();
    await tab.sees("it is back", "!document.querySelector('.tile.bad')");
    await tab.sees(
      "it is over",
      "[...document.querySelectorAll('.outages li')].some((one) => /iad-1 offline for [^n]*:/.test(one.textContent) && !one.matches('.bad'))",
    );
  });

  test("a server, a tenant, a page, a search and a range are addresses, and Back leaves them", async () => {
    await tab.click(".tile .name", "iad-1");
    await shows("iad-1", "dialog.drawer h2");
    await shows("Latency of its checks", "dialog figcaption");
    expect(await address()).toBe("?server=iad-1");
    await tab.click("dialog .acts button", "Its 60 tenants");
    await shows("60 of 120", ".count");
    expect(await address()).toBe("?filter=iad-1");
    await tab.evaluate("history.back()");
    await shows("iad-1", "dialog.drawer h2");
    await tab.evaluate("history.back()");
    await tab.sees("no dialog", "!document.querySelector('dialog')");
    await tab.click("nav[aria-label='Pages of tenants'] button", "Next");
    await shows("page 2 of 3", "nav .count");
    expect(await address()).toBe("?page=2");
    await tab.click(".tenants .name", "t99");
    await shows("serves it", "dialog .candidates");
    expect(await address()).toBe("?page=2&tenant=t99.test");
    const link = await tab.evaluate<string>("location.href");
    await closeAll();
    await tab.open(link);
    await shows("t99.test", "dialog.drawer h2");
    await closeAll();
    await shows("page 2 of 3", "nav .count");
    await type("input[type=search]", "t117");
    await shows("1 of 120", ".count");
    expect(await address()).toBe("?filter=t117");
    await type("input[type=search]", "");
    await tab.click(".ranges button", "1 hour");
    expect(await address()).toBe("?range=1h");
  });

  test("keys alone drain a server, and take it back", async () => {
    await tab.evaluate("document.querySelector('main').focus()");
    await tabTo("Drain fra-1");
    await tab.press("Enter");
    await tab.sees("the question", "document.querySelector('dialog button.primary')?.disabled === false");
    await shows("slum server drain fra-1", "dialog .command");
    await tabTo("Drain");
    await tab.press("Enter");
    await shows("drained", ".tile");
    await tab.sees("focus is back", "document.activeElement?.getAttribute('aria-label') === 'Undrain fra-1'");
    await tab.press("Enter");
    await tab.sees("the question", "document.querySelector('dialog button.primary')?.disabled === false");
    await tabTo("Undrain");
    await tab.press("Enter");
    await tab.sees("it is back", "document.querySelector('[aria-label=\"Drain fra-1\"]')");
    await tab.click("[aria-label=Dismiss]");
  });

  test("receivers of webhooks are shown with their last answer, and a sample is a button", async () => {
    const receiver = startOrigin(() => new Response("no such hook", { status: 404 }));
    origins.push(receiver);
    await slum.ok("webhook", "add", "--allow-private", "pager", `${receiver.url}/hook`);
    await shows("nothing was sent yet", ".receivers li");
    await tab.click("[aria-label='Test pager']");
    await shows("404", ".outcomes");
    await shows("404", ".receivers .version");
    await tab.click("[aria-label=Dismiss]");
  });

  test.each([
    ["light", WIDE],
    ["dark, without motion", { ...WIDE, scheme: "dark", reducedMotion: true }],
    ["a phone", { width: 390, height: 844 }],
  ] as const)("axe finds nothing, and nothing is wider than the window: %s", async (_, view) => {
    await tab.look(view);
    expect(await tab.axe()).toEqual([]);
    const width = () => tab.evaluate<number>("document.documentElement.scrollWidth");
    expect(await width()).toBeWithin(0, view.width + 1);
    await tab.click(".tile .name", "iad-1");
    await shows("Latency of its checks", "dialog figcaption");
    await tab.sees("why", "document.querySelector('dialog .why')");
    expect(await tab.axe()).toEqual([]);
    await closeAll();
    await tab.click(".tenants .name");
    await shows("serves it", "dialog .candidates");
    expect(await tab.axe()).toEqual([]);
    expect(await width()).toBeWithin(0, view.width + 1);
    await closeAll();
    await tab.look(WIDE);
  });

  test("names as long as they may be keep to their places", async () => {
    const long = `${"a".repeat(30)}-${"b".repeat(32)}`;
    await slum.ok("server", "add", long, "http://127.0.0.1:1", "--region", long);
    await slum.run("server", "check", long);
    await shows("is offline", ".verdict strong");
    const wider = (inner: string, outer: string) =>
      tab.evaluate<number>(
        `[...document.querySelectorAll("${inner}")].filter((one) => one.getBoundingClientRect().right > one.closest("${outer}").getBoundingClientRect().right + 1).length`,
      );
    for (const view of [WIDE, { width: 390, height: 844 }]) {
      await tab.look(view);
      expect(await wider(".tile .badge", ".tile")).toBe(0);
      expect(await wider(".verdict .parts", ".verdict")).toBe(0);
      expect(await wider(".tenants button", ".service")).toBe(0);
    }
    await tab.look(WIDE);
    await slum.ok("server", "delete", long);
  });

  test("the page had no complaint", () => {
    expect(tab.complaints).toEqual([]);
  });
});
