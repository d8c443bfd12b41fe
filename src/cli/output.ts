// What a command says: data on stdout, talk on stderr; with --json, JSON on stdout and only warnings on stderr.
import { styleText } from "node:util";
import { createConsola, LogLevels, type LogType } from "consola/core";
import type { Fault } from "../core/fault.ts";
import type { Environment } from "../platform/environment.ts";
import { type Clock, systemClock } from "../platform/time/clock.ts";
import { createProgress, type Progress } from "./progress.ts";
import type { Sink } from "./sink.ts";

export type Style = Parameters<typeof styleText>[0];
/** Colours a text where colours are wanted, and leaves it alone elsewhere. */
export type Paint = (style: Style, text: string) => string;

export interface Output {
  readonly json: boolean;
  /** Data, in one write: the object with `"schema": 1` as a line of JSON, or what `text` makes for people. */
  data(value: Readonly<Record<string, unknown>>, text: () => string): void;
  info(text: string): void;
  success(text: string): void;
  warn(text: string): void;
  hint(text: string): void;
  /** For programs one JSON object on stdout, for people lines on stderr. */
  fault(fault: Fault): void;
  /** Shows that something takes its time. Its owner ends it with `done` or `using`; there is one at a time. */
  progress(text: string): Progress;
  /** For text that goes to stdout. */
  readonly paint: Paint;
  readonly stdout: Sink;
  /** Whether stdout may be drawn over: a terminal that can move its cursor, and no JSON. */
  readonly canDraw: boolean;
}

interface OutputOptions {
  readonly json: boolean;
  readonly env: Environment;
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly clock?: Clock;
}

const JSON_SCHEMA = 1;
const MARKS: Readonly<Partial<Record<LogType, readonly [text: string, style: Style]>>> = {
  success: ["✔", "green"],
  warn: ["warning:", "yellow"],
  error: ["error:", "red"],
};

export function createOutput({ json, env, stdout, stderr, clock = systemClock }: OutputOptions): Output {
  const talk = createTalk(stderr, json, createPaint(stderr, env));
  const hint = talk.withTag("hint:");
  let progress: Progress | undefined;

  function data(value: object, text: () => string): void {
    progress?.hide();
    stdout.write(endLine(json ? JSON.stringify({ schema: JSON_SCHEMA, ...value }) : text()));
  }

  return {
    json,
    data,
    info: (text) => talk.info(text),
    success: (text) => talk.success(text),
    warn: (text) => talk.warn(text),
    hint: (text) => hint.info(text),
    fault(fault) {
      progress?.done();
      if (json) return data(fault.toJson(), () => "");
      talk.error([fault.message, ...detailLines(fault)].join("\n"));
      if (fault.hint) hint.info(fault.hint);
    },
    progress(text) {
      progress?.done();
      const moving = stderr.isTty && !isDumb(env);
      progress = createProgress(text, { sink: stderr, silent: json, moving, clock });
      return progress;
    },
    paint: createPaint(stdout, env),
    stdout,
    canDraw: stdout.isTty && !isDumb(env) && !json,
  };

  function createTalk(sink: Sink, quiet: boolean, paint: Paint) {
    return createConsola({
      level: quiet ? LogLevels.warn : LogLevels.info,
      throttle: 0,
      reporters: [
        {
          log({ type, tag, args }) {
            const [mark, style] = tag ? ([tag, "cyan"] as const) : (MARKS[type] ?? ["", "reset"]);
            progress?.hide();
            sink.write(endLine(`${mark === "" ? "" : `${paint(style, mark)} `}${args.join(" ")}`));
          },
        },
      ],
    });
  }
}

/** What a fault knows beyond its message: one line for a fact, a heading and lines for a list, nothing for what is unknown. */
function detailLines({ details = {} }: Fault): string[] {
  const plain = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  return Object.entries(details).flatMap(([key, value]) => {
    if (value === null) return [];
    const label = key.replaceAll("_", " ");
    if (!Array.isArray(value)) return [`  ${label}: ${plain(value)}`];
    return value.length === 0 ? [] : [`  ${label}:`, ...value.map((one) => `    ${plain(one)}`)];
  });
}

/** Colours only on a terminal that can, unless NO_COLOR is set. */
function createPaint(sink: Sink, env: Environment): Paint {
  const enabled = sink.isTty && env.NO_COLOR === undefined && !isDumb(env);
  return (style, text) => (enabled ? styleText(style, text, { validateStream: false }) : text);
}

function isDumb({ TERM }: Environment): boolean {
  return TERM === "dumb";
}

function endLine(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}
