// The dashboard of slum over HTTP: only at its own hosts, and with the rules of ten's.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { hasChromium, startChromium } from "../support/chromium.ts";
import { startOrigin } from "../support/origin.ts";
import { type Slum, startSlum } from "./slum.ts";

// A browser beside everything else that a machine tests.
setDefaultTimeout(180_000);

let slum: Slum;
let origin: ReturnType<typeof startOrigin>;

beforeAll(async () => {
  slum = await startSlum();
  origin = startOrigin(() => new Response("an app"));
  await slum.ok("server", "add", "iad", origin.url);
  await slum.ok("server", "add", "fra", origin.url.replace("127.0.0.1", "localhost"));
  await slum.ok("tenant", "add", "acme", "acme.test", "iad", "api");
});
afterAll(async () => {
  await slum?.[Symbol.asyncDispose]();
  await origin?.[Symbol.asyncDispose]();
});

const link = async () => (await slum.json<{ url: string }>("dashboard")).url;

/** What a session is known by: the browser's cookie, and the half that the page keeps. */
async function logIn(): Promise<Record<string, string>> {
  const code = new URL(await link()).hash.slice("#code=".length);
  const response = await ask("POST", "/session", {}, { code });
  expect(response.status).toBe(200);
  const { page } = (await response.json()) as { page: string };
  return { Cookie: response.headers.get("set-cookie")?.split(";")[0] ?? "", "X-Ten-Page": page };
}

function ask(method: string, path: string, session: Record<string, string>, body?: unknown, origin?: string) {
  return fetch(`http://localhost:${slum.port}${path}`, {
    method,
    headers: { Origin: origin ?? `http://localhost:${slum.port}`, "X-Ten-Page": "1", ...session },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

test("the page and its session are at slum's own hosts, never at a tenant's", async () => {
  expect((await slum.get("localhost")).body).toContain("<title>slum</title>");
  for (const path of ["/", "/page.js", "/session"])
    expect((await slum.get("acme.test", path)).body).toBe("an app");
});

test("a session does what commands do, from its own origin", async () => {
  const session = await logIn();
  expect(session.Cookie).toStartWith("slum-session-");
  const stale = await ask("POST", "/session", {}, { code: "used" });
  expect(await stale.json()).toMatchObject({ error: { hint: "make a new one: slum dashboard" } });
  const drained = await ask("PUT", "/api/servers/iad/drained", session, { drained: true });
  expect(await drained.json()).toMatchObject({ changed: true, server: { id: "iad", drained: true } });
  const evil = await ask("PUT", "/api/servers/iad/drained", session, { drained: false }, "http://acme.test");
  expect(evil.status).toBe(403);
  await slum.ok("server", "undrain", "iad");
  await ask("DELETE", "/session", session);
  expect((await ask("GET", "/api/status", session)).status).toBe(401);
});

test.skipIf(!hasChromium)(
  "in chromium (skipped where there is none) a server is drained and a tenant moved",
  async () => {
    await using chromium = await startChromium();
    const tab = await chromium.tab();
    const click = (selector: string) => tab.click(selector);
    const confirm = async () => {
      await tab.sees("the dialog", "document.querySelector('dialog button.primary')?.disabled === false");
      await click("dialog button.primary");
      await tab.sees("no dialog", "!document.querySelector('dialog')");
    };
    await tab.open(await link());
    await tab.sees("the tenant", "document.querySelector('.tenants')?.textContent.includes('acme.test')");
    await click("button[aria-label='Drain iad']");
    await confirm();
    await tab.sees(
      "the undo",
      "document.querySelector('.outcomes')?.textContent.includes('slum server undrain iad')",
    );
    await tab.sees("the server drained", "document.querySelector('button[aria-label=\"Undrain iad\"]')");
    await click("button[aria-label='Move acme']");
    await confirm();
    await tab.sees(
      "the undo",
      "document.querySelector('.outcomes')?.textContent.includes('slum tenant move acme iad')",
    );
    expect((await slum.json<{ tenants: { server: string }[] }>("tenant", "list")).tenants).toMatchObject([
      { id: "acme", server: "fra" },
    ]);
    const seesAt = (home: string) =>
      tab.sees(
        `the tenant at ${home}`,
        `[...document.querySelectorAll('.tenants tr')].some((row) => row.textContent.includes('acme.test') && row.cells[2].textContent.startsWith('${home}'))`,
      );
    // What a dialog proposes follows from the row, so each move begins when the row shows the one before.
    await seesAt("fra");
    // The list is read anew after each command, also after more than the page keeps in sight.
    for (const home of ["iad", "fra", "iad", "fra"]) {
      await click("button[aria-label='Move acme']");
      await confirm();
      await seesAt(home);
    }
    expect(tab.complaints).toEqual([]);
  },
);
