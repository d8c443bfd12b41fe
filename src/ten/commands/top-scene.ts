// What the keys of `ten top` do: choose, look closer, filter, and change; every change is a command that is shown and asked for once.
import { counted } from "../../cli/format.ts";
import type { Paint } from "../../cli/output.ts";
import {
  blank,
  drawText,
  faultLine,
  longest,
  SCROLL_HINT,
  type Scene,
  type Size,
  scrolled,
  type TextPage,
  textPage,
  typed,
  wrapped,
} from "../../cli/screen.ts";
import { troublesOf } from "../api/trouble.ts";
import { drawTable, notesOf, type Row, rowsOf, type Seen } from "./top-view.ts";

/** A change: the command that does the same, and how it is done; what came of it, in a sentence. */
export interface Change {
  readonly command: string;
  run(): Promise<string>;
}

export interface TopActions {
  /** The text of a closer look: why it is as it is. */
  detail(row: Row): Promise<string>;
  logs(row: Row): Promise<string>;
  weight(row: Row, percent: string): Change;
  route(row: Row): Change;
  rollback(row: Row): Change;
  hold(row: Row): Change;
  promote(row: Row): Change;
}

interface TextMode extends TextPage {
  readonly kind: "text";
}

type Mode =
  | { readonly kind: "list" }
  | TextMode
  | {
      readonly kind: "type";
      readonly label: string;
      readonly text: string;
      readonly take: (text: string) => void;
    }
  | { readonly kind: "ask"; readonly change: Change };

/** What a change came to, with its undo. */
const NOTE_LINES = 5;
/** As many as there is room for. */
const KEYS = [
  "enter why  w weight  r route  b roll back  h hold  p promote  l logs  / filter  ? help  q quit",
  "enter why  w weight  r route  b roll back  l logs  / filter  ? help  q quit",
  "enter why  w weight  b roll back  l logs  ? help  q quit",
  "enter why  ? help  q quit",
  "? help  q quit",
];

const HELP = `
  up, down      choose a version
  enter         why it is as it is
  l             its last log lines
  w             set its weight
  r             route all traffic of its service to it
  b             roll its service back
  h, p          hold the rollout of its service; promote its canary
  /             filter; escape ends it
  ?             this page
  q             quit

  Every change is shown as a command and asked for once: y does it, any other key does not.`;

/** The first lines: the table below them needs room as well. */
function someOf(lines: readonly string[], most: number): string[] {
  return lines.length <= most
    ? [...lines]
    : [...lines.slice(0, most - 1), `  and ${lines.length - most + 1} more lines like these`];
}

export class TopScene implements Scene {
  readonly #paint: Paint;
  readonly #actions: TopActions;
  #seen: Seen = {
    instances: [],
    rates: new Map(),
    traffic: new Map(),
    changes: new Map(),
    rollouts: new Map(),
  };
  #readAt = "";
  #mode: Mode = { kind: "list" };
  #filter = "";
  #chosen = 0;
  #note = "";
  #redraw: () => void = () => {};

  constructor(paint: Paint, actions: TopActions) {
    this.#paint = paint;
    this.#actions = actions;
  }

  show(seen: Seen, at: string): void {
    this.#seen = seen;
    this.#readAt = at;
    this.#redraw();
  }

  /** What went wrong with reading; what was read last stays. */
  say(note: string): void {
    this.#note = note;
    this.#redraw();
  }

  onChange(redraw: () => void): void {
    this.#redraw = redraw;
  }

  draw(size: Size): string[] {
    const mode = this.#mode;
    if (mode.kind === "text") {
      const { drawn, page } = drawText(mode, size, this.#paint("dim", SCROLL_HINT));
      this.#mode = page;
      return drawn;
    }
    const rows = rowsOf(this.#seen, this.#filter);
    this.#chosen = Math.min(Math.max(0, rows.length - 1), this.#chosen);
    const foot = this.#foot(size.columns);
    // The table is what it is about: at most a third is for what is said above it.
    const notes = someOf(notesOf(this.#paint, this.#seen, size.columns), Math.ceil(size.rows / 3));
    const lines = Math.max(0, size.rows - 1 - notes.length - foot.length);
    const table = drawTable(this.#paint, this.#seen, rows, this.#chosen, size);
    const room = Math.max(1, lines - 1);
    const top = Math.max(0, this.#chosen + 1 - room);
    const body = [table[0] ?? "", ...table.slice(1 + top, 1 + top + room)];
    if (rows.length === 0)
      body.push(this.#filter === "" ? "nothing runs: ten deploy SERVICE --version v1" : "nothing matches");
    return [this.#head(rows), ...notes, ...body.slice(0, lines), ...blank(lines - body.length), ...foot];
  }

  press(key: string): boolean {
    const mode = this.#mode;
    this.#note = "";
    if (mode.kind === "ask") this.#answer(mode.change, key);
    else if (mode.kind === "type") this.#type(mode, key);
    else if (mode.kind === "text") this.#scroll(mode, key);
    else return this.#command(key);
    return false;
  }

  #head(rows: readonly Row[]): string {
    const { rates } = this.#seen;
    const whole = rows.filter(({ version }) => version === undefined);
    const instances = whole.flatMap((one) => one.instances);
    const trouble = troublesOf(instances, rates)
      .filter(({ count }) => count > 0)
      .map(({ word, count }) => `  ${this.#paint("red", `${count} ${word}`)}`)
      .join("");
    const filter = this.#filter === "" ? "" : `  filter: ${this.#filter}`;
    const counts = `${counted(whole.length, "service")}, ${counted(instances.length, "instance")}`;
    return `${this.#paint("bold", "ten top")}  ${counts}${trouble}${filter}  ${this.#paint("dim", this.#readAt)}`;
  }

  #foot(columns: number): string[] {
    const mode = this.#mode;
    if (mode.kind === "ask")
      return wrapped(`${this.#paint("yellow", mode.change.command)}   do it? y/n`, columns);
    if (mode.kind === "type") return wrapped(`${mode.label}: ${mode.text}█`, columns);
    return this.#note === ""
      ? [this.#paint("dim", longest(KEYS, columns))]
      : wrapped(this.#note, columns).slice(0, NOTE_LINES);
  }

  #command(key: string): boolean {
    const row = rowsOf(this.#seen, this.#filter)[this.#chosen];
    switch (key) {
      case "q":
        return true;
      case "escape":
        this.#filter = "";
        return false;
      case "up":
      case "k":
        this.#chosen = Math.max(0, this.#chosen - 1);
        return false;
      case "down":
      case "j":
        this.#chosen += 1;
        return false;
      case "?":
        this.#text(HELP);
        return false;
      case "/":
        this.#mode = {
          kind: "type",
          label: "filter",
          text: this.#filter,
          take: (text) => {
            this.#filter = text;
          },
        };
        return false;
    }
    if (row) this.#act(key, row);
    return false;
  }

  #act(key: string, row: Row): void {
    const { weight, route, rollback, hold, promote, detail, logs } = this.#actions;
    const needsVersion = key === "w" || key === "r";
    if (needsVersion && row.version === undefined) this.say("choose a version of it");
    else if (key === "enter") this.#load(detail(row));
    else if (key === "l") this.#load(logs(row), true);
    else if (key === "w") {
      const take = (text: string) => this.#ask(() => weight(row, text));
      this.#mode = {
        kind: "type",
        label: `percent of ${row.service}'s traffic for ${row.version}`,
        text: "",
        take,
      };
    } else if (key === "r") this.#ask(() => route(row));
    else if (key === "b") this.#ask(() => rollback(row));
    else if (key === "h") this.#ask(() => hold(row));
    else if (key === "p") this.#ask(() => promote(row));
  }

  #ask(make: () => Change): void {
    try {
      this.#mode = { kind: "ask", change: make() };
    } catch (thrown) {
      this.#mode = { kind: "list" };
      this.say(this.#paint("red", faultLine(thrown)));
    }
  }

  #answer(change: Change, key: string): void {
    this.#mode = { kind: "list" };
    if (key !== "y") {
      this.say("nothing was done");
      return;
    }
    this.#note = "…";
    change.run().then(
      (text) => this.say(this.#paint("green", text)),
      (thrown) => this.say(this.#paint("red", faultLine(thrown))),
    );
  }

  #type(mode: Extract<Mode, { kind: "type" }>, key: string): void {
    if (key === "escape") this.#mode = { kind: "list" };
    else if (key === "enter") {
      this.#mode = { kind: "list" };
      mode.take(mode.text);
    } else this.#mode = { ...mode, text: typed(mode.text, key) };
  }

  #scroll(mode: TextMode, key: string): void {
    const page = scrolled(mode, key);
    this.#mode = page ? { kind: "text", ...page } : { kind: "list" };
  }

  #load(text: Promise<string>, atEnd = false): void {
    this.#text("reading…");
    text.then(
      // Who has gone back meanwhile is not brought here again.
      (found) => this.#mode.kind === "text" && this.#text(found, atEnd),
      (thrown) => {
        this.#mode = { kind: "list" };
        this.say(this.#paint("red", faultLine(thrown)));
      },
    );
  }

  #text(text: string, atEnd = false): void {
    this.#mode = { kind: "text", ...textPage(text, atEnd) };
    this.#redraw();
  }
}
