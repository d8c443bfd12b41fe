// A chart of lines over time, drawn as SVG: nothing of it needs an exception from the page's policy, all of it is in the page's
// own colours, and its numbers are there for keys and for screen readers too.

import { useEffect, useRef, useState } from "preact/hooks";
import { linePath, niceTop, type Scale, timeTicks } from "./plot.ts";
import { clockOf, minuteOf } from "./time.ts";

export interface Line {
  readonly name: string;
  /** Its place among the colours. */
  readonly colour: number;
  readonly values: readonly (number | null)[];
  /** What is said while nothing is pointed at; left out: the last of the values. */
  readonly now?: number | null;
}

/** Something that was done at a time. */
export interface Mark {
  readonly atMs: number;
  readonly text: string;
  readonly isBad: boolean;
}

interface ChartProps {
  readonly title: string;
  readonly startMs: number;
  readonly stepMs: number;
  readonly lines: readonly Line[];
  readonly marks: readonly Mark[];
  readonly format: (value: number) => string;
  /** The step that is pointed at, in all charts beside each other. */
  readonly at: number | undefined;
  readonly onAt: (at: number | undefined) => void;
}

const HEIGHT = 132;
const LEFT = 46;
const RIGHT = 6;
const TOP = 10;
const BOTTOM = 18;

export function Chart({ title, startMs, stepMs, lines, marks, format, at, onAt }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const count = lines[0]?.values.length ?? 0;
  const largest = Math.max(0, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const top = niceTop(largest);
  const inner = {
    left: LEFT,
    width: Math.max(10, width - LEFT - RIGHT),
    top: TOP,
    height: HEIGHT - TOP - BOTTOM,
  };
  const scale: Scale = { ...inner, count, most: top };
  const x = (place: number) => inner.left + (place / Math.max(1, count - 1)) * inner.width;
  // What was done in the step that is not over has a place too.
  const markX = ({ atMs }: Mark) => x(Math.min(Math.max(0, (atMs - startMs) / stepMs), count - 1));
  const y = (value: number) => inner.top + inner.height * (1 - value / top);
  const last = lines.map(({ values }) => values.findLastIndex((value) => value !== null));
  const shown = at ?? Math.max(0, ...last);
  const point = (event: PointerEvent) => {
    const left = box.current?.getBoundingClientRect().left ?? 0;
    const place = Math.round(((event.clientX - left - inner.left) / inner.width) * (count - 1));
    onAt(Math.min(count - 1, Math.max(0, place)));
  };
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (event.key === "Escape" && at !== undefined) onAt(undefined);
    else if (step !== undefined) onAt(Math.min(count - 1, Math.max(0, shown + step)));
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <figure class="chart">
      <figcaption>
        <b>{title}</b>
        <Values
          lines={lines}
          at={shown}
          format={format}
          time={at === undefined ? undefined : startMs + at * stepMs}
        />
      </figcaption>
      <div
        ref={box}
        class="plot"
        tabIndex={0}
        role="slider"
        aria-label={`${title} over time`}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, count - 1)}
        aria-valuenow={shown}
        aria-valuetext={wordsAt(lines, shown, startMs + shown * stepMs, format)}
        onPointerMove={point}
        onPointerLeave={() => onAt(undefined)}
        onKeyDown={onKey}
        onBlur={() => onAt(undefined)}
      >
        <svg width={width} height={HEIGHT} aria-hidden="true">
          {[0, 0.5, 1].map((part) => (
            <g key={part}>
              <line
                class="grid"
                x1={inner.left}
                x2={inner.left + inner.width}
                y1={y(part * top)}
                y2={y(part * top)}
              />
              <text class="tick" x={inner.left - 6} y={y(part * top) + 4} text-anchor="end">
                {format(part * top)}
              </text>
            </g>
          ))}
          {timeTicks(startMs, startMs + count * stepMs, width).map((ms) => (
            <text key={ms} class="tick" x={x((ms - startMs) / stepMs)} y={HEIGHT - 4} text-anchor="middle">
              {minuteOf(ms)}
            </text>
          ))}
          {marks.map((mark, place) => (
            <g key={place} class={mark.isBad ? "mark bad" : "mark"}>
              <line x1={markX(mark)} x2={markX(mark)} y1={TOP} y2={HEIGHT - BOTTOM} />
              <path d={`M${markX(mark) - 4},${TOP - 8}h8l-4,8z`} />
              <title>{mark.text}</title>
            </g>
          ))}
          {lines.map((line) => (
            <path key={line.name} class={`line s${line.colour}`} d={linePath(line.values, scale)} />
          ))}
          {at !== undefined && (
            <line class="cursor" x1={x(at)} x2={x(at)} y1={inner.top} y2={inner.top + inner.height} />
          )}
          {at !== undefined &&
            lines.map((line) => {
              const value = line.values[at];
              if (value === null || value === undefined) return null;
              return <circle key={line.name} class={`dot s${line.colour}`} cx={x(at)} cy={y(value)} r="3" />;
            })}
        </svg>
      </div>
    </figure>
  );
}

function wordsAt(lines: readonly Line[], at: number, time: number, format: ChartProps["format"]): string {
  const values = lines.map(({ name, values }) => {
    const value = values[at];
    return `${name} ${value === null || value === undefined ? "none" : format(value)}`;
  });
  return [clockOf(time), ...values].join(", ");
}

interface ValuesProps extends Pick<ChartProps, "lines" | "format"> {
  readonly at: number;
  /** Undefined: the last ones, as nothing is pointed at. */
  readonly time: number | undefined;
}

function Values({ lines, at, format, time }: ValuesProps) {
  return (
    <span class="values">
      {time !== undefined && <time dateTime={new Date(time).toISOString()}>{clockOf(time)}</time>}
      {lines.map(({ name, colour, values, now }) => {
        const value = time === undefined && now !== undefined ? now : values[at];
        return (
          <span key={name}>
            <i class={`c${colour}`} />
            {lines.length > 1 && <span class="of">{name}</span>}{" "}
            {value === null || value === undefined ? "–" : format(value)}
          </span>
        );
      })}
    </span>
  );
}

/** A line without axes, beside the numbers that it belongs to. */
export function Spark({ values, colour }: Pick<Line, "values" | "colour">) {
  const most = niceTop(Math.max(0, ...values.map((value) => value ?? 0)));
  const scale = { left: 1, width: 88, top: 2, height: 18, count: values.length, most };
  return (
    <svg class="spark" width="90" height="22" aria-hidden="true">
      <path class={`line s${colour}`} d={linePath(values, scale)} />
    </svg>
  );
}

interface NumbersProps {
  readonly title: string;
  readonly startMs: number;
  readonly stepMs: number;
  /** One after the other: the lines of each chart, with its name and how its values are written. */
  readonly charts: readonly {
    readonly name: string;
    readonly lines: readonly Line[];
    readonly format: (value: number) => string;
  }[];
}

/** More rows than that are put together. */
const NUMBER_ROWS = 60;

/** The same numbers as the charts beside it as a table, made only when it is opened. */
export function Numbers({ title, startMs, stepMs, charts }: NumbersProps) {
  const [isOpen, setOpen] = useState(false);
  const columns = charts.flatMap(({ name, lines, format }) =>
    lines.map((line) => ({ heading: `${name}, ${line.name}`, values: line.values, format })),
  );
  const count = columns[0]?.values.length ?? 0;
  const every = Math.max(1, Math.ceil(count / NUMBER_ROWS));
  const rows = Array.from({ length: Math.floor(count / every) }, (_, row) => count - 1 - row * every);
  return (
    <details class="numbers" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{title}</summary>
      {isOpen && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: keys scroll it
        <section tabIndex={0} aria-label={title}>
          <table>
            <thead>
              <tr>
                <th scope="col">Time</th>
                {columns.map(({ heading }) => (
                  <th key={heading} scope="col" class="number">
                    {heading}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((place) => (
                <tr key={place}>
                  <th scope="row">{clockOf(startMs + place * stepMs)}</th>
                  {columns.map(({ heading, values, format }) => {
                    const value = values[place];
                    return (
                      <td key={heading} class="number">
                        {value === null || value === undefined ? "–" : format(value)}
                      </td>
                    );
                  })}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </details>
  );
}

function useWidth(box: { readonly current: HTMLElement | null }): number {
  const [width, setWidth] = useState(300);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(Math.max(160, Math.floor(element.clientWidth))));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return width;
}
