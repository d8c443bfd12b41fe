// `bun run pictures`: starts a `ten` and a `slum` with a canary that fails, and takes the pictures of docs/pictures/.
// biome-ignore-all lint/suspicious/noControlCharactersInRegex: what a terminal shows is full of them
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Slum, startSlum } from "../e2e/slum.ts";
import { startTen, type Ten } from "../e2e/ten.ts";
import { type Chromium, startChromium, type Tab, type View } from "../support/chromium.ts";
import { writeRelease } from "../support/releases.ts";
import { startInTerminal } from "../support/terminal.ts";
import { until } from "../support/until.ts";

const OUT = Bun.argv[2] ?? join(import.meta.dir, "../../docs/pictures");
const SECONDS = Number(Bun.argv[3] ?? 90);

const APP = `
const { PORT, HOST: hostname } = process.env;
const version = process.env["TEN_VER" + "SION"];
const failing = version === "v2.4.0" ? 0.05 : 0.0005;
const slower = version === "v2.4.0" ? 1.4 : 1;
console.log("listening on", PORT);
Bun.serve({ port: Number(PORT), hostname, async fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname === "/health") return new Response("ok");
  await Bun.sleep(slower * (4 + 14 * Math.random() ** 3));
  if (Math.random() < failing) {
    console.error("\\x1b[31mError\\x1b[0m: cannot read properties of undefined (reading 'total') at checkout", pathname);
    return new Response("failed", { status: 500 });
  }
  if (Math.random() < 0.02) console.log("GET", pathname, 200);
  return new Response("ok");
} });
`;
const BROKEN = `console.log("connecting to the database");
console.error("Error: connect ECONNREFUSED 127.0.0.1:5432");
process.exit(1);
`;

const VIEWS: Readonly<Record<string, View>> = {
  light: { width: 1440, height: 1000, reducedMotion: true },
  dark: { width: 1440, height: 1000, scheme: "dark", reducedMotion: true },
  phone: { width: 390, height: 844, reducedMotion: true },
};

async function startShop(): Promise<Ten> {
  const command = JSON.stringify(`'${process.execPath}' app.ts`);
  const service = (name: string) =>
    `[service.${name}]\ncommand = ${command}\nworkdir = "releases/{version}"\nhealth = "/health"\n`;
  const ten = await startTen({
    toml: `[settings]\nhealth_check_interval = 2\nmax_restarts = 2\nbackoff_base_ms = 100\n${service("shop")}${service("mail")}`,
    prepare(dir) {
      for (const version of ["v2.3.1", "v2.4.0", "v1"]) writeRelease(dir, version, "app.ts", APP);
      writeRelease(dir, "v2", "app.ts", BROKEN);
    },
  });
  await ten.ok("deploy", "shop:v2.3.1");
  await ten.ok("deploy", "mail:v1");
  return ten;
}

/** Visitors until the signal fires. */
async function visit(ten: Ten, host: string, perSecond: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const burst = Math.max(1, Math.round(perSecond / 20));
    await Promise.all([
      Bun.sleep(50),
      ...Array.from({ length: burst }, (_, n) => ten.get(host, `/item/${n}`).catch(() => undefined)),
    ]);
  }
}

const BINARY = join(import.meta.dir, "../../dist/ten");
/** As terminals show them. */
const COLOURS: Readonly<Record<string, string>> = {
  31: "#ff8a80",
  32: "#5cc98a",
  33: "#e5b454",
  34: "#83b3f2",
  36: "#62c6d4",
};

/** What a terminal of 80 columns has on its screen, as a picture. */
async function takeTerminal(
  tab: Tab,
  name: string,
  words: readonly string[],
  cwd: string,
  keys: string,
): Promise<void> {
  await using terminal = startInTerminal([BINARY, ...words], { cwd, columns: 80, rows: 24 });
  await until("it has drawn", () => terminal.output().length > 200, 30_000);
  await Bun.sleep(2_500);
  if (keys !== "") terminal.press(keys);
  await Bun.sleep(1_500);
  const text = terminal.output();
  const start = Math.max(0, text.lastIndexOf("\x1b[H"));
  const lines = text
    .slice(start)
    .replaceAll(/\x1b\[[HJK]|\x1b\[\?\d+[hl]/g, "")
    .split(/\r?\n/)
    .slice(0, 24);
  await tab.look({ width: 760, height: 500 });
  await tab.open("about:blank");
  const page = `<pre style="margin:0;padding:16px;height:468px;background:#101318;color:#e4e7ec;width:80ch;white-space:pre;overflow:hidden;font:14px/19px 'DejaVu Sans Mono',monospace">${lines.map(coloured).join("\n")}</pre>`;
  await tab.evaluate(
    `document.body.style.cssText = "margin:0;background:#101318", document.body.innerHTML = ${JSON.stringify(page)}, 0`,
  );
  await tab.screenshot(join(OUT, `${name}.png`));
  process.stderr.write(`${name}.png\n`);
}

function coloured(line: string): string {
  const escaped = line.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  let open = 0;
  const shown = escaped.replaceAll(/\x1b\[([\d;]*)m/g, (_, codes: string) => {
    const styles = codes
      .split(";")
      .map((code) => styleOf(code))
      .join("");
    if (styles === "") {
      const closed = "</span>".repeat(open);
      open = 0;
      return closed;
    }
    open += 1;
    return `<span style="${styles}">`;
  });
  return shown + "</span>".repeat(open);
}

function styleOf(code: string): string {
  if (code === "1") return "font-weight:700;";
  if (code === "2") return "opacity:.65;";
  if (code === "7") return "background:#e4e7ec;color:#101318;";
  const colour = COLOURS[code];
  return colour === undefined ? "" : `color:${colour};`;
}

async function takeAll(tab: Tab, name: string): Promise<void> {
  for (const [view, size] of Object.entries(VIEWS)) {
    await tab.look(size);
    await Bun.sleep(400);
    await tab.screenshot(join(OUT, `${name}-${view}.png`));
    process.stderr.write(`${name}-${view}.png\n`);
  }
}

async function ofTen(chromium: Chromium): Promise<void> {
  await using ten = await startShop();
  const stop = new AbortController();
  const visitors = [
    visit(ten, "shop.localhost", 120, stop.signal),
    visit(ten, "mail.localhost", 20, stop.signal),
  ];
  await Bun.sleep(SECONDS * 300);
  await ten.ok("deploy", "shop:v2.4.0", "--weight", "10");
  await ten.run("deploy", "mail:v2");
  await ten.ok("spawn", "mail:v2", "--weight", "0");
  await Bun.sleep(SECONDS * 700);
  const tab = await chromium.tab();
  await tab.look(VIEWS.light as View);
  await tab.open((await ten.json<{ url: string }>("dashboard")).url);
  await tab.sees("charts", "document.querySelectorAll('.plot').length >= 3");
  await tab.sees("lines", "document.querySelectorAll('.plot path.line').length > 0");
  await takeAll(tab, "dashboard");
  await tab.look(VIEWS.light as View);
  await tab.evaluate(
    "[...document.querySelectorAll('.name')].find((one) => one.textContent.includes('v2.4.0')).click()",
  );
  await tab.sees("the log", "document.querySelectorAll('.lines > div').length > 3");
  await takeAll(tab, "instance");
  await takeTerminal(tab, "top", ["top"], ten.dir, "");
  await takeTerminal(tab, "why", ["why", "mail:v2"], ten.dir, "");
  stop.abort();
  await Promise.all(visitors);
}

async function ofSlum(chromium: Chromium): Promise<void> {
  const servers = [
    ...[
      ["iad-1", "us-east", 4],
      ["iad-2", "us-east", 5],
      ["iad-3", "us-east", 4],
    ],
    ...[
      ["fra-1", "eu-central", 22],
      ["fra-2", "eu-central", 24],
    ],
    ...[
      ["gru-1", "sa-east", 61],
      ["syd-1", "oceania", 96],
    ],
  ] as const;
  const apps = servers.map(([, , ms]) =>
    Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => Bun.sleep(Number(ms) * (0.9 + Math.random() / 4)).then(() => new Response("ok")),
    }),
  );
  await using slum: Slum = await startSlum();
  for (const [place, app] of apps.entries()) {
    const [id = "", region = ""] = servers[place] ?? [];
    await slum.ok("server", "add", String(id), `http://127.0.0.1:${app.port}`, "--region", String(region));
  }
  for (let n = 0; n < 130; n++) {
    const home = String(servers[n % servers.length]?.[0]);
    const only = n % 40 === 3 ? ["--failover", "none"] : [];
    await slum.ok("tenant", "add", `customer-${n}`, `shop-${n}.example.com`, home, "shop", ...only);
  }
  await slum.ok("server", "drain", "iad-3");
  await apps[5]?.stop(true);
  await slum.run("server", "check", "gru-1");
  const tab = await chromium.tab();
  await tab.look(VIEWS.light as View);
  await tab.open((await slum.json<{ url: string }>("dashboard")).url);
  await tab.sees("tenants", "document.querySelectorAll('.tenants tbody tr').length > 10");
  await until(
    "a server is offline",
    () => tab.evaluate<boolean>("document.body.textContent.includes('1 offline')"),
    60_000,
  );
  await tab.sees("a time line", "document.querySelectorAll('.timeline rect').length > 1");
  await takeAll(tab, "slum");
  for (const app of apps) await app.stop(true);
}

mkdirSync(OUT, { recursive: true });
const chromium = await startChromium();
try {
  if (Bun.argv[4] !== "slum") await ofTen(chromium);
  if (Bun.argv[4] !== "ten") await ofSlum(chromium);
} finally {
  await chromium[Symbol.asyncDispose]();
}
process.exit(0);
