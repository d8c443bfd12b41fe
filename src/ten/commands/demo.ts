// `ten demo`: a whole release on this machine, with real processes and real requests, in seconds.
import { flag } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { formatMillis } from "../../cli/format.ts";
import { Fault } from "../../core/fault.ts";
import { executableWords } from "../../platform/executable.ts";
import { systemClock } from "../../platform/time/clock.ts";
import { formatCount } from "../demo/bars.ts";
import { openSandbox, type Sandbox, SERVICE } from "../demo/sandbox.ts";
import { createStage, type Stage } from "../demo/stage.ts";
import { runTour, type Tour } from "../demo/tour.ts";

export default command({
  name: "demo",
  summary: "See a whole release on this machine: canary, rollback, blue/green, a crash",
  description:
    "Starts a server in a temporary directory on a free port, releases two versions of a small web app that is part of this program, and counts what visitors get: every split has to be exact and no request may fail, else the exit code is 1. Everything is removed at the end.",
  examples: [
    ["ten demo", "takes some fifteen seconds"],
    ["ten demo --keep", "leave the server running, and say what to try next"],
    ["ten demo --json", "steps, counts and splits as JSON"],
  ],
  args: { keep: flag("Leave the server running, and say what to try next") },
  ownSignals: true,
  async run({ args, out, env, signal }) {
    const clock = systemClock;
    const startMs = clock.monotonic();
    using signals = catchSignals(signal);
    using stage = createStage(out, out.canDraw);
    stage.print(
      "",
      stage.paint("bold", "  ten demo: two versions of a small shop, released on this machine"),
    );
    const { tour, sandbox } = await visit();
    const ok = tour.failed === 0 && tour.steps.every((step) => step.exact);
    const durationMs = Math.round(clock.monotonic() - startMs);
    const kept = args.keep ? { url: sandbox.url.href, data_dir: sandbox.dataDir, pid: sandbox.pid } : null;
    out.data({ ok, duration_ms: durationMs, ...tour, kept }, () =>
      [
        summary(stage, tour, ok, durationMs),
        ...(args.keep ? next(stage, sandbox, env.PATH ?? "") : gone(stage)),
        "",
      ].join("\n"),
    );
    return ok ? 0 : 1;

    async function visit() {
      await using sandbox = await openSandbox({ env, clock, ...signals });
      const { port } = sandbox.url;
      stage.print(
        `${stage.paint("dim", "   $")} ten serve --port 0`,
        `   ${stage.paint("green", "✔")} serving http://${SERVICE}.localhost:${port}/`,
      );
      const tour = await runTour({ sandbox, stage, clock, signal: signals.signal });
      if (args.keep) sandbox.keep();
      return { tour, sandbox };
    }
  },
});

interface Signals extends Disposable {
  /** Fires at the first signal, and when nobody reads any more. */
  readonly signal: AbortSignal;
  /** Fires at the second signal. */
  readonly hurry: AbortSignal;
}

/** A demo that is interrupted cleans up all the same, and at the second signal does so without patience. */
function catchSignals(closed: AbortSignal): Signals {
  const interrupted = new AbortController();
  const hurry = new AbortController();
  const onSignal = () =>
    interrupted.signal.aborted
      ? hurry.abort()
      : interrupted.abort(new Fault("stopped_waiting", "interrupted, and everything removed again"));
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of names) process.on(name, onSignal);
  return {
    signal: AbortSignal.any([interrupted.signal, closed]),
    hurry: hurry.signal,
    [Symbol.dispose]() {
      for (const name of names) process.off(name, onSignal);
    },
  };
}

function summary({ paint }: Stage, tour: Tour, ok: boolean, durationMs: number): string {
  const { requests, failed, failures, steps } = tour;
  const inexact = steps.filter((step) => !step.exact).length;
  const why = Object.entries(failures).map(([text, count]) => `${text}: ${count}`);
  const parts = [
    `${formatCount(requests)} requests`,
    failed === 0 ? "none failed" : `${formatCount(failed)} failed (${why.join(", ")})`,
    inexact === 0 ? "every split exact" : `${inexact} of ${steps.length} splits not exact`,
    formatMillis(durationMs),
  ];
  return `\n  ${ok ? paint("green", "✔") : paint("red", "✘")} ${paint("bold", parts.join(" · "))}`;
}

function gone({ paint }: Stage): string[] {
  return [paint("dim", "    Nothing is left behind. To look around yourself: ten demo --keep")];
}

function next({ paint }: Stage, { directory, dataDir, url, pid }: Sandbox, path: string): string[] {
  const words = executableWords();
  const isInPath = words.length === 1 && Bun.which("ten", { PATH: path }) === words[0];
  const here = `--data-dir ${dataDir}`;
  const lines: readonly (readonly [what: string, ...lines: readonly string[]])[] = [
    ...(isInPath ? [] : [["What ten is in this shell", `alias ten='${words.join(" ")}'`] as const]),
    [
      "Look at it, it reloads itself",
      `http://${SERVICE}.localhost:${url.port}/`,
      `http://v1.${SERVICE}.localhost:${url.port}/ (v1 itself, whatever its weight)`,
    ],
    [
      "Release something",
      `ten weight ${SERVICE}:v1 25 ${here}`,
      `ten deploy ${SERVICE} --version v3 --weight 10 ${here}`,
      `ten rollback ${SERVICE} ${here}`,
    ],
    ["Watch it", `ten ps --watch ${here}`, `ten logs ${SERVICE} -f ${here}`],
    ["Stop it and remove everything", `kill ${pid}`, `rm -r ${directory}`],
  ];
  return lines.flatMap(([what, ...commands]) => [
    "",
    `    ${paint("dim", what)}`,
    ...commands.map((line) => `      ${line}`),
  ]);
}
