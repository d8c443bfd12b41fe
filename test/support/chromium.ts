// A real browser for tests, where there is one: Chromium without a window, driven over its DevTools protocol.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createTempDir } from "./temp-dir.ts";
import { until } from "./until.ts";

const CHROMIUM = ["chromium", "chromium-browser", "google-chrome"].flatMap(
  (name) => Bun.which(name) ?? [],
)[0];
/** Where there is none, tests of pages are skipped: the suite needs nothing but Node and npm. */
export const hasChromium = CHROMIUM !== undefined;

export interface Tab {
  open(url: string): Promise<void>;
  /** The value of an expression in the page; rejects with what it throws. */
  evaluate<T>(expression: string): Promise<T>;
  /** Waits until an expression in the page is true. */
  sees(what: string, expression: string): Promise<void>;
  /** Clicks the first element with the text that may be clicked, once there is one. */
  click(selector: string, text?: string): Promise<void>;
  send(method: string, params?: object): Promise<Record<string, unknown>>;
  /** Presses a key as a person does: `Tab`, `Enter`, `Escape`, ` `. */
  press(key: string): Promise<void>;
  /** The size of the window, and how the visitor wants to see pages. */
  look(view: View): Promise<void>;
  /** What the accessibility rules of axe-core find against the page as it is, one line each. */
  axe(): Promise<readonly string[]>;
  /** A PNG of what is to be seen. */
  screenshot(path: string): Promise<void>;
  /** Errors and warnings that the page led to, violations of its policy among them. */
  readonly complaints: readonly string[];
}

export interface View {
  readonly width: number;
  readonly height: number;
  readonly scheme?: "light" | "dark";
  readonly reducedMotion?: boolean;
}

export interface Chromium extends AsyncDisposable {
  /** A tab with cookies of its own. */
  tab(): Promise<Tab>;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly sessionId?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

export async function startChromium(): Promise<Chromium> {
  if (CHROMIUM === undefined) throw new Error("no chromium here");
  const temp = createTempDir();
  const flags = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
  ];
  const child = Bun.spawn(
    [CHROMIUM, ...flags, "--remote-debugging-port=0", `--user-data-dir=${temp.path}`, "about:blank"],
    { stdio: ["ignore", "ignore", "ignore"] },
  );
  const portFile = join(temp.path, "DevToolsActivePort");
  await until(
    "chromium listens",
    () => existsSync(portFile) && readFileSync(portFile, "utf8").includes("/"),
    60_000,
  );
  const [port, path] = readFileSync(portFile, "utf8").trim().split("\n");
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  const waiting = new Map<number, (message: Message) => void>();
  const listeners: ((message: Message) => void)[] = [];
  let last = 0;
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(String(data)) as Message;
    if (message.id === undefined) for (const listener of listeners) listener(message);
    else waiting.get(message.id)?.(message);
  };

  function send(method: string, params: object = {}, sessionId?: string): Promise<Record<string, unknown>> {
    return new Promise((resolve, reject) => {
      const id = ++last;
      waiting.set(id, ({ result = {}, error }) => {
        waiting.delete(id);
        if (error) reject(new Error(`${method}: ${error.message}`));
        else resolve(result);
      });
      socket.send(JSON.stringify({ id, method, params, sessionId }));
    });
  }

  async function tab(): Promise<Tab> {
    const { browserContextId } = await send("Target.createBrowserContext");
    const { targetId } = await send("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
    const inTab = (method: string, params?: object) => send(method, params, String(sessionId));
    const complaints: string[] = [];
    listeners.push((message) => {
      if (message.sessionId === sessionId) complaints.push(...complaintOf(message));
    });
    for (const domain of ["Page", "Runtime", "Log"]) await inTab(`${domain}.enable`);

    async function evaluate<T>(expression: string): Promise<T> {
      const options = { expression, awaitPromise: true, returnByValue: true, userGesture: true };
      const { result, exceptionDetails } = (await inTab("Runtime.evaluate", options)) as {
        result: { value: T };
        exceptionDetails?: { exception?: { description?: string } };
      };
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? "it threw");
      return result.value;
    }

    async function sees(what: string, expression: string): Promise<void> {
      await until(what, () => evaluate<boolean>(`Boolean(${expression})`), 60_000);
    }

    return {
      evaluate,
      sees,
      complaints,
      async click(selector, text = "") {
        const elements = `[...document.querySelectorAll(${JSON.stringify(selector)})]`;
        const found = `${elements}.find((one) => !one.disabled && one.textContent.includes(${JSON.stringify(text)}))`;
        // Found and clicked in one go: the page may be drawn anew in between.
        await sees(`${selector} ${text} to click`, `((one) => one && (one.click(), true))(${found})`);
      },
      send: inTab,
      async press(key) {
        const known = KEYS[key];
        const event = { key, code: known?.code ?? key, windowsVirtualKeyCode: known?.number ?? 0 };
        await inTab("Input.dispatchKeyEvent", {
          type: "keyDown",
          ...event,
          ...(known?.text && { text: known.text }),
        });
        await inTab("Input.dispatchKeyEvent", { type: "keyUp", ...event });
      },
      async look({ width, height, scheme = "light", reducedMotion = false }) {
        const metrics = { width, height, deviceScaleFactor: 1, mobile: width < 500 };
        await inTab("Emulation.setDeviceMetricsOverride", metrics);
        const features = [
          { name: "prefers-color-scheme", value: scheme },
          { name: "prefers-reduced-motion", value: reducedMotion ? "reduce" : "no-preference" },
        ];
        await inTab("Emulation.setEmulatedMedia", { features });
      },
      async axe() {
        const has = await evaluate<boolean>("typeof window.axe === 'object'");
        if (!has) await evaluate(`${await Bun.file(AXE).text()}; 0`);
        return evaluate<string[]>(
          "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => id + ': ' + target.join(' '))))",
        );
      },
      async open(url) {
        await inTab("Page.navigate", { url });
        await until(`${url} is there`, () => evaluate<boolean>("document.readyState === 'complete'"), 60_000);
      },
      async screenshot(path) {
        const { data } = await inTab("Page.captureScreenshot", { format: "png" });
        await Bun.write(path, Buffer.from(String(data), "base64"));
      },
    };
  }

  return {
    tab,
    async [Symbol.asyncDispose]() {
      socket.close();
      child.kill("SIGKILL");
      await child.exited;
      temp[Symbol.dispose]();
    },
  };
}

const AXE = join(import.meta.dir, "../../node_modules/axe-core/axe.min.js");

const KEYS: Readonly<Record<string, { code: string; number: number; text?: string }>> = {
  Tab: { code: "Tab", number: 9 },
  Enter: { code: "Enter", number: 13, text: "\r" },
  Escape: { code: "Escape", number: 27 },
  " ": { code: "Space", number: 32, text: " " },
  ArrowLeft: { code: "ArrowLeft", number: 37 },
  ArrowRight: { code: "ArrowRight", number: 39 },
};

function complaintOf({ method, params }: Message): string[] {
  if (method === "Runtime.exceptionThrown") {
    const { exceptionDetails } = params as {
      exceptionDetails: { text: string; exception?: { description?: string } };
    };
    return [exceptionDetails.exception?.description ?? exceptionDetails.text];
  }
  if (method === "Log.entryAdded") {
    const { entry } = params as { entry: { level: string; text: string; url?: string } };
    return entry.level === "error" || entry.level === "warning"
      ? [`${entry.text} ${entry.url ?? ""}`.trim()]
      : [];
  }
  return [];
}
