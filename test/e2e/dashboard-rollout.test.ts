// The rollout of a service on the dashboard, in a real browser: what it shows, and that its buttons do what they say.

import { expect, setDefaultTimeout, test } from "bun:test";
import { hasChromium, startChromium } from "../support/chromium.ts";
import { until } from "../support/until.ts";
import { judgedToml } from "./judged.ts";
import { startTen } from "./ten.ts";

setDefaultTimeout(180_000);

const PANEL = "section.rollout[aria-label^='Rollout of api']";
const QUICK = ["--steps", "25,50", "--notice", "20%", "--max-slower", "100x", "--detach"];

test.skipIf(!hasChromium)(
  "in chromium (skipped where there is none): plan, steps, odds and sentence are there, and hold, promote and take back work, by keys too",
  async () => {
    await using ten = await startTen({ toml: judgedToml() });
    await using chromium = await startChromium();
    await ten.ok("deploy", "api:good");
    const state = { isOver: false };
    const visitors = (async () => {
      while (!state.isOver) {
        await ten.get("api.localhost", "/orders/1").catch(() => {});
        await Bun.sleep(5);
      }
    })();
    const tab = await chromium.tab();
    const shows = (text: string) =>
      tab.sees(
        text,
        `document.querySelector(${JSON.stringify(PANEL)})?.textContent.includes(${JSON.stringify(text)})`,
      );
    const rollout = () =>
      ten.json<{ outcome: string | null; text: string; held: object | null }>("rollout", "api");
    /** Moves the focus to a button of the panel and presses a key on it, as somebody without a mouse does. */
    const pressOn = async (button: string, key: string) => {
      await tab.sees(
        button,
        `(() => { const one = [...document.querySelectorAll(${JSON.stringify(`${PANEL} button`)})].find((each) => each.textContent === ${JSON.stringify(button)} && !each.disabled); one?.focus(); return document.activeElement === one && one !== undefined; })()`,
      );
      await tab.press(key);
    };
    try {
      await tab.look({ width: 1440, height: 900 });
      await tab.open((await ten.json<{ url: string }>("dashboard")).url);

      // Held: nothing goes on meanwhile.
      await ten.ok("deploy", "api:good-2", "--canary", ...QUICK, "--every", "30s");
      await shows("Rollout of good-2 beside good");
      await shows("Each step lasts at least 30 s and rules out 20 points more errors");
      await shows("25 %50 %100 %");
      expect(
        await tab.evaluate<string>(
          `document.querySelector("${PANEL} [aria-current=step]").textContent.trim()`,
        ),
      ).toBe("25 %");
      const odds = await tab.evaluate<string[]>(
        `[...document.querySelectorAll("${PANEL} meter")].map((one) => one.getAttribute("aria-label") + ": " + one.getAttribute("aria-valuetext"))`,
      );
      expect(odds[0]).toBe("Odds against it by errors: nothing speaks against it");
      expect(odds.length).toBe(3);
      await shows("good-2 0 errors in");
      expect(await tab.axe()).toEqual([]);
      await pressOn("Hold", "Enter");
      await shows("held: operator");
      expect((await rollout()).held).not.toBeNull();
      await tab.click(`${PANEL} button`, "Go on");
      await until("it goes on", async () => (await rollout()).held === null);
      await pressOn("Promote now", " ");
      await shows("good-2 has everything");
      expect((await ten.ps())["api:good-2"]?.share).toBe(100);
      await tab.sees(
        "the last step",
        `document.querySelector("${PANEL} [aria-current=step]").textContent.trim() === "100 %"`,
      );
      await tab.click(`${PANEL} button`, "Promote now");
      await until("it is promoted", async () => (await rollout()).outcome === "promoted");
      await tab.sees("no panel", `!document.querySelector(${JSON.stringify(PANEL)})`);

      // Taken back, from a phone and in the dark; with copies.
      await tab.look({ width: 390, height: 844, scheme: "dark" });
      await ten.ok("deploy", "api:strings", "--canary", ...QUICK, "--shadow-first", "100000");
      await shows("100000 copies25 %");
      await shows("copies are answered, no visitor is on it");
      await tab.sees(
        "in what it differs",
        `document.querySelector("section[aria-label^='Copies of requests for api']")?.textContent.includes(".total: number -> string")`,
      );
      expect(await tab.axe()).toEqual([]);
      expect(await tab.evaluate<number>("document.documentElement.scrollWidth")).toBe(390);
      await pressOn("Take back", "Enter");
      await until("it is back", async () => (await rollout()).outcome === "rolled_back");
      expect((await rollout()).text).toContain("rolled back: aborted by hand");

      // Copies without a rollout end by their own button.
      await ten.ok("spawn", "api:strings", "--weight", "0");
      await ten.ok("shadow", "api", "--to", "strings", "--sample", "50%");
      expect((await ten.ok("ps")).stdout).toContain("api: copies to strings: ");
      await tab.click("section[aria-label^='Copies of requests for api'] button", "Stop copying");
      await until("no more copies", async () => {
        return (await ten.json<{ ended_at: string | null }>("shadow", "api")).ended_at !== null;
      });
      expect(tab.complaints).toEqual([]);
    } finally {
      state.isOver = true;
      await visitors;
    }
  },
);
