// The three test apps, and how one is started by hand.
import { join } from "node:path";

const directory = join(import.meta.dir, "apps");

/** The command of each app; identical in behaviour, see test/support/apps.test.ts. */
export const APPS = {
  python: ["python3", join(directory, "app.py")],
  node: ["node", join(directory, "app.mjs")],
  bun: [process.execPath, join(directory, "app.ts")],
} as const satisfies Record<string, readonly [string, string]>;

export interface RunningApp extends AsyncDisposable {
  readonly url: URL;
  readonly process: Bun.Subprocess<"ignore", "pipe", "pipe">;
}

/** Starts an app on a free port (unless env.PORT says which) and resolves when it listens. Rejects when it ends first. */
export async function startApp(
  name: keyof typeof APPS,
  env: Readonly<Record<string, string>> = {},
): Promise<RunningApp> {
  const child = Bun.spawn([...APPS[name]], {
    env: { PATH: process.env.PATH, HOST: "127.0.0.1", PORT: "0", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let printed = "";
  const reader = child.stdout.getReader();
  while (!printed.includes("\n")) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`${name} ended: ${await child.stderr.text()}`);
    printed += new TextDecoder().decode(value);
  }
  return {
    url: new URL(`http://${printed.trim().replace("listening on ", "")}`),
    process: child,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
