// Every release of every example starts as its tenement.toml says, and answers.
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "../src/ten/config/config.ts";
import { processSpecOf } from "../src/ten/supervisor/process-spec.ts";
import { freePort } from "./support/free-port.ts";
import { lacks } from "./support/installed.ts";
import { createTempDir } from "./support/temp-dir.ts";
import { until } from "./support/until.ts";

const examples = join(import.meta.dir, "..", "examples");
const base = { PATH: process.env.PATH };

/** Those that are a directory to say `ten serve` in; the set-ups run by themselves. */
const served = readdirSync(examples).filter((name) => existsSync(join(examples, name, "tenement.toml")));

describe.each(served)("the example %s", (name) => {
  const config = loadConfig(join(examples, name), undefined, { env: {} });
  const [service] = config.services.values();
  if (!service) throw new Error("the example has no service");

  const releases = readdirSync(join(examples, name, "releases"));
  test.skipIf(lacks(service.words[0])).each(releases)(
    "runs its release %s",
    async (version) => {
      const port = await freePort();
      const { argv, env, cwd } = processSpecOf(
        config,
        service,
        { id: version, version, port, nonce: "n" },
        base,
      );
      using temp = createTempDir();
      const own = { ...env, ...(env.DATABASE_PATH && { DATABASE_PATH: temp.file("app.db") }) };
      await using _child = Bun.spawn([...argv], { env: own, cwd, stdin: "ignore" });
      const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined);
      const health = await until("the release answers", () => get(service.health.path ?? "/"));
      expect(health.status).toBe(200);
      const shown = `${await (await get("/"))?.text()}${await (await get("/version"))?.text()}`;
      expect(shown).toContain(`${version}\n`);
    },
    180_000,
  );
});
