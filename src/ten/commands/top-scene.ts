// What the keys of `ten top` do: choose, look closer, filter, and change; every change is a command that is shown and asked for once.
import type { Paint } from "../../cli/output.ts";
import {
  drawText,
  faultLine,
  SCROLL_HINT,
  type Scene,
  type Size,
  scrolled,
  type TextPage,
  typed,
} from "../../cli/screen.ts";
import { DEGRADED, statesOf } from "../api/trouble.ts";
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

type Mode =
  | { readonly kind: "list" }
  | ({ readonly kind: "text" } & TextPage)
  | {
      readonly kind: "type";
      readonly label: string;
      readonly text: string;
      readonly take: (text: string) => void;
    }
  | { readonly kind: "ask"; readonly change: Change };

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
    if (mode.kind === "text") return drawText(mode, size.rows, this.#paint("dim", SCROLL_HINT));
    const rows = rowsOf(this.#seen, this.#filter);
    this.#chosen = Math.min(Math.max(0, rows.length - 1), this.#chosen);
    const notes = someOf(notesOf(this.#paint, this.#seen, size.columns), Math.ceil(size.rows / 3));
    const room = Math.max(3, size.rows - 3 - notes.length);
    const table = drawTable(this.#paint, this.#seen, rows, this.#chosen, size);
    const top = Math.max(0, this.#chosen + 3 - room);
    const body = [table[0] ?? "", ...table.slice(1 + top, room + top)];
    if (rows.length === 0)
      body.push(this.#filter === "" ? "nothing runs: ten deploy SERVICE --version v1" : "nothing matches");
    return [this.#head(rows), ...notes, ...padded(body, size.rows - 2 - notes.length), this.#foot()];
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
    const { instances, rates } = this.#seen;
    const count = (word: string) =>
      instances.filter((one) => statesOf(one, rates.get(one.service)).includes(word)).length;
    const running = instances.filter(({ state }) => state !== "stopped").length;
    const services = new Set(rows.map(({ service }) => service)).size;
    const trouble = ["failed", "unhealthy", DEGRADED]
      .filter((word) => count(word) > 0)
      .map((word) => `  ${this.#paint("red", `${count(word)} ${word}`)}`)
      .join("");
    const filter = this.#filter === "" ? "" : `  filter: ${this.#filter}`;
    const counted = (count: number, word: string) => `${count} ${word}${count === 1 ? "" : "s"}`;
    return `${this.#paint("bold", "ten top")}  ${counted(services, "service")}, ${counted(running, "instance")}${trouble}${filter}  ${this.#paint("dim", this.#readAt)}`;
  }

  #foot(): string {
    const mode = this.#mode;
    if (mode.kind === "ask") return `${this.#paint("yellow", mode.change.command)}   do it? y/n`;
    if (mode.kind === "type") return `${mode.label}: ${mode.text}█`;
    return this.#note === ""
      ? this.#paint("dim", "enter why  w weight  r route  b roll back  l logs  / filter  ? help  q quit")
      : this.#note;
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
    else if (key === "l") this.#load(logs(row));
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

  #scroll(mode: Extract<Mode, { kind: "text" }>, key: string): void {
    const page = scrolled(mode, key);
    this.#mode = page ? { kind: "text", ...page } : { kind: "list" };
  }

  #load(text: Promise<string>): void {
    this.#text("reading…");
    text.then(
      (found) => this.#text(found),
      (thrown) => {
        this.#mode = { kind: "list" };
        this.say(this.#paint("red", faultLine(thrown)));
      },
    );
  }

  #text(text: string): void {
    this.#mode = { kind: "text", lines: text.split("\n"), top: 0 };
    this.#redraw();
  }
}

function padded(lines: readonly string[], count: number): string[] {
  return [...lines.slice(0, count), ...new Array<string>(Math.max(0, count - lines.length)).fill("")];
}
