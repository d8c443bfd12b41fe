// The dashboard in a real browser, where there is one: log in, see, act, and what hostile apps cannot do to it.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Chromium, hasChromium, startChromium, type Tab } from "../support/chromium.ts";
import { writeRelease } from "../support/releases.ts";
import { until } from "../support/until.ts";
import { startTen, type Ten } from "./ten.ts";

// A browser beside everything else that a machine tests.
setDefaultTimeout(180_000);

/** Writes everything that a page might fall for, and then a line for each request. */
const HOSTILE = `
const { PORT, HOST: hostname } = process.env;
console.log("<script>document.title='owned'</script><img src=x onerror=\\"document.title='owned'\\">");
console.log("\\x1b[31mred\\x1b[0m \\x1b]0;owned\\x07 \\u202eevil \\0 end");
console.error("javascript:alert(1) {{7*7}} \${1}");
console.log("x".repeat(200_000));
Bun.serve({ port: Number(PORT), hostname, fetch: (request) => {
  console.log("asked for", new URL(request.url).pathname);
  return new Response("ok");
} });
`;

let ten: Ten;
let chromium: Chromium;
let tab: Tab;

const click = (selector: string, text = "") => tab.click(selector, text);
/** Confirms what the dialog asks, once it may be, and waits until it is done. */
async function confirm(word: string): Promise<void> {
  await tab.sees(
    `${word} may be confirmed`,
    "document.querySelector('dialog.box button.primary')?.disabled === false",
  );
  await click("dialog.box button.primary", word);
  await tab.sees(`${word} is done`, "!document.querySelector('dialog.box')");
}
const type = (selector: string, text: string) =>
  tab.evaluate(
    `(() => { const field = document.querySelector(${JSON.stringify(selector)}); field.value = ${JSON.stringify(text)}; field.dispatchEvent(new Event("input", { bubbles: true })); })()`,
  );
const shows = (text: string, selector = "body") =>
  tab.sees(
    `${selector} shows ${text}`,
    `document.querySelector(${JSON.stringify(selector)})?.textContent.includes(${JSON.stringify(text)})`,
  );

describe.skipIf(!hasChromium)("in chromium (skipped where there is none)", () => {
  beforeAll(async () => {
    const command = JSON.stringify(`'${process.execPath}' app.ts`);
    ten = await startTen({
      toml: `[settings]\nhealth_check_interval = 1\n[service.api]\ncommand = ${command}\nworkdir = "releases/{version}"\nhealth = "/health"\n`,
      prepare(dir) {
        for (const version of ["v1", "v2"]) writeRelease(dir, version, "app.ts", HOSTILE);
      },
    });
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2");
    chromium = await startChromium();
    tab = await chromium.tab();
  });
  afterAll(async () => {
    await chromium?.[Symbol.asyncDispose]();
    await ten?.[Symbol.asyncDispose]();
  });

  test("a wrong token is told, a right one opens the page, which has no complaint", async () => {
    await tab.open(`http://localhost:${ten.port}/`);
    await tab.sees("the login", "document.querySelector('#token')");
    await type("#token", "wrong");
    await click("button", "Log in");
    await shows("that token is not valid", "[role=alert]");
    await type("#token", (await ten.json<{ token: string }>("token-gen")).token);
    await click("button", "Log in");
    await shows("v1 100 %", ".legend");
    await shows("healthy", ".instances");
    expect(tab.complaints.filter((text) => !text.includes("401"))).toEqual([]);
  });

  test("a weight is set after its consequence was shown, and the undo command is the server's", async () => {
    await click(".instances tr:nth-child(2) .set");
    await tab.sees("the dialog", "document.querySelector('dialog .steps')");
    await click("dialog .steps button", "10 %");
    await tab.sees(
      "the consequence",
      "[...document.querySelectorAll('dialog .change tr')].some((row) => /v1.*100 %.*90 %/.test(row.textContent))",
    );
    await confirm("Set weight");
    await shows("ten weight api:v1=100 api:v2=0", ".outcomes");
    await shows("v1 90 %", ".legend");
    expect((await ten.ps())["api:v2"]?.weight).toBe(10);
  });

  test("what the server would refuse is told with its hint, and done only with force", async () => {
    await click(".instances tr:nth-child(1) .set");
    await tab.sees("the dialog", "document.querySelector('dialog .steps')");
    await click("dialog .steps button", "100 %");
    await confirm("Set weight");
    await shows("v1 100 %", ".legend");
    await click(".instances tr:nth-child(1) .set");
    await tab.sees("the dialog", "document.querySelector('dialog .steps')");
    await click("dialog .steps button", "0 %");
    await shows("that would leave api without an instance that takes traffic", "dialog [role=alert]");
    expect(await tab.evaluate<boolean>("document.querySelector('dialog button.primary').disabled")).toBe(
      true,
    );
    await click("dialog input[type=checkbox]");
    expect(await tab.evaluate<boolean>("document.querySelector('dialog button.primary').disabled")).toBe(
      false,
    );
    await click("dialog button", "Cancel");
    await tab.sees("no dialog", "!document.querySelector('dialog')");
  });

  test("a rollback shows what only the server can foresee", async () => {
    await ten.ok("weight", "api:v2", "40");
    await shows("v2 40 %", ".legend");
    await click(".service header button", "Roll back");
    await tab.sees(
      "the consequence",
      "[...document.querySelectorAll('dialog .change tr')].some((row) => /v2.*40 %.*0 %/.test(row.textContent))",
    );
    await confirm("Roll back");
    await shows("ten weight api:v1=60 api:v2=40", ".outcomes");
  });

  test("a log is followed and searched, and nothing in it is more than text", async () => {
    await click(".name", "v1");
    await shows("<script>document.title='owned'</script>", ".lines");
    await shows("\\u202eevil ␀ end", ".lines");
    await shows("… and 190000 more characters", ".lines");
    expect(await tab.evaluate<string>("document.querySelector('.lines .fg1').textContent")).toBe("red");
    expect(
      await tab.evaluate<number>("document.querySelectorAll('.lines script, .lines img, .lines a').length"),
    ).toBe(0);
    expect(await tab.evaluate<string>("document.title")).not.toContain("owned");
    await ten.get("v1.api.localhost", "/of-later");
    await shows("asked for /of-later", ".lines");
    await type(".log input[type=search]", "of-later");
    await tab.sees("one line", "document.querySelectorAll('.lines > div').length === 1");
    await tab.send("Input.dispatchKeyEvent", {
      type: "keyDown",
      key: "Escape",
      code: "Escape",
      windowsVirtualKeyCode: 27,
    });
    await tab.sees("no dialog", "!document.querySelector('dialog')");
  });

  test("maintenance begins and ends, an instance stops and starts, and events tell it", async () => {
    await click(".service header button", "Maintenance");
    await confirm("Begin maintenance");
    await shows("maintenance", ".service .badge.warn");
    await click(".service header button", "End maintenance");
    await confirm("End maintenance");
    await tab.sees("no badge", "!document.querySelector('.badge.warn')");
    await click(".name", "v2");
    await click("dialog .acts button", "Stop");
    await confirm("Stop");
    await shows("stopped", "dialog .facts");
    await click("dialog .acts button", "Start");
    await confirm("Start");
    await shows("healthy", "dialog .facts");
    await shows("stopped by the operator", ".events");
    expect(tab.complaints.filter((text) => !text.includes("401"))).toEqual([]);
  });

  test("logging out leaves nothing to be seen, and a login link needs no token", async () => {
    await click("dialog header button");
    await click("button", "Log out");
    await tab.sees("the login", "document.querySelector('#token')");
    await until("the session is over", () =>
      tab.evaluate<boolean>(
        "fetch('/api/instances', { headers: { 'X-Ten-Page': '1' } }).then(({ status }) => status === 401)",
      ),
    );
    const { url } = await ten.json<{ url: string }>("dashboard");
    // In the very tab: only what is behind the # changes, and nothing is loaded.
    await tab.open(url);
    await shows("v1 100 %", ".legend");
    expect(await tab.evaluate<string>("location.hash")).toBe("");
  });
});
