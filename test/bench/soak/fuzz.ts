// The fuzz test of the answer reader, with many more cases than in the suite and a seed of its own.
import { join } from "node:path";
import type { Scenario } from "./figure.ts";

const CASES = 1_000_000;
const TEST = join(import.meta.dir, "../../proxy/upstream/answer-reader.test.ts");

export const fuzz: Scenario = {
  name: "fuzz",
  about: "mutated answers in random pieces, compared with a reference parser",
  async run() {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const begun = performance.now();
    const child = Bun.spawn([process.execPath, "test", TEST, "--test-name-pattern", "mutated answers"], {
      env: { ...process.env, FUZZ_ROUNDS: String(CASES), FUZZ_SEED: String(seed) },
      stdout: "ignore",
      stderr: "inherit",
    });
    const exit = await child.exited;
    return [
      { what: `cases, FUZZ_SEED=${seed}`, value: CASES, unit: "answers" },
      { what: "time", value: (performance.now() - begun) / 1_000, unit: "s" },
      { what: "exit code of the test", value: exit, unit: "", most: 0 },
    ];
  },
};
