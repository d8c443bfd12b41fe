// How the demo draws over its own lines on a terminal, and never does in a pipe.
import { expect, test } from "bun:test";
import { createOutput } from "../../../src/cli/output.ts";
import { createStage } from "../../../src/ten/demo/stage.ts";
import { createMemorySink } from "../../cli/memory-sink.ts";

function stageOn(terminal: boolean, json = false) {
  const stdout = createMemorySink({ isTty: terminal, columns: 10 });
  const out = createOutput({ json, env: { NO_COLOR: "1" }, stdout, stderr: createMemorySink() });
  return { stage: createStage(out, terminal), stdout };
}

test("on a terminal lines are drawn over the last ones, cut to its width, and the cursor comes back", () => {
  const { stage, stdout } = stageOn(true);
  stage.print("first");
  stage.draw(["a", "b"]);
  stage.draw(["wider than ten columns", "d"]);
  stage.settle(["e", "f"]);
  stage.print("last");
  stage[Symbol.dispose]();
  const over = "\x1b[2A\r\x1b[J";
  expect(stdout.writes).toEqual([
    "\x1b[?25l",
    "first\n",
    "a\nb\n",
    `${over}wider than\nd\n`,
    `${over}e\nf\n`,
    "last\n",
    "\x1b[?25h",
  ]);
});

test("in a pipe only what stays is written, without any escape", () => {
  const { stage, stdout } = stageOn(false);
  stage.print("first");
  stage.draw(["a"]);
  stage.settle(["a longer line than ten"]);
  stage[Symbol.dispose]();
  expect(stdout.text()).toBe("first\na longer line than ten\n");
});

test("with --json it says nothing", () => {
  const { stage, stdout } = stageOn(false, true);
  stage.print("first");
  stage.settle(["a"]);
  expect(stdout.text()).toBe("");
});
