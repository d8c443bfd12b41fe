// Values as people write them in other tools.
import { expect, test } from "bun:test";
import { parseConfig } from "../../../src/ten/config/config.ts";
import { asText, inMegabytes, inMillis, inPercent, inSeconds } from "../../../src/ten/config/values.ts";

test.each([
  [inSeconds, "30s", 30],
  [inSeconds, "2m", 120],
  [inSeconds, "1h30m", 5400],
  [inSeconds, "500ms", 0.5],
  [inSeconds, "10 seconds", 10],
  [inSeconds, "5 min", 300],
  [inSeconds, "30", 30],
  [inSeconds, "soon", "soon"],
  [inSeconds, 30, 30],
  [inMillis, "1s", 1000],
  [inMillis, "250", 250],
  [inMegabytes, "512M", 512],
  [inMegabytes, "512 MB", 512],
  [inMegabytes, "1.5GiB", 1536],
  [inMegabytes, "512", 512],
  [inMegabytes, "lots", "lots"],
  [inPercent, "10%", 10],
  [inPercent, "12.5 %", 12.5],
  [inPercent, "all", "all"],
  [asText, 5, "5"],
  [asText, true, "true"],
  [asText, "x", "x"],
])("%p of %j is %j", (read, written, value) => {
  expect(read(written)).toBe(value as string);
});

test("they are taken where they belong, and what becomes text is said", () => {
  const config = parseConfig(
    `[settings]\nbackoff_base_ms = "2s"\n[service.api]\ncommand = "x"\ndrain_timeout = "2m"\nmemory_limit_mb = "1G"
[service.api.rollout]\nsteps = ["5%", 25]\n[service.api.env]\nA = 5\nB = 1.10\nC = true\nD = "x"`,
    "/srv/tenement.toml",
  );
  const api = config.services.get("api");
  expect(api?.env).toEqual({ A: "5", B: "1.1", C: "true", D: "x" });
  expect(api).toMatchObject({ drainTimeoutMs: 120_000, limits: { memoryBytes: 1 << 30 } });
  expect(config.document.settings.backoff_base_ms).toBe(2000);
  expect(config.document.service.api?.rollout?.steps).toEqual([5, 25]);
  expect(config.warnings).toEqual([
    'service.api.env.A: variables are text: 5 is taken as "5"',
    'service.api.env.B: variables are text: 1.1 is taken as "1.1"',
    'service.api.env.C: variables are text: true is taken as "true"',
  ]);
});
