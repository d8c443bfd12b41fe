// `slum top`: servers, tenants and what is wrong, on a full screen, with the changes that an operator makes.
import { command } from "../../cli/command.ts";
import { formatMillis, formatSeconds } from "../../cli/format.ts";
import type { Output, Paint } from "../../cli/output.ts";
import {
  blank,
  drawText,
  faultLine,
  fit,
  longest,
  runLive,
  SCROLL_HINT,
  type Scene,
  type Size,
  scrolled,
  type TextPage,
  textPage,
  typed,
  wrapped,
} from "../../cli/screen.ts";
import { systemClock } from "../../platform/time/clock.ts";
import type { SlumClient } from "../api/contract.ts";
import { describeStatus, type SlumStatus } from "../api/describe-status.ts";
import type { ServerView } from "../api/shapes.ts";
import { connect } from "./connect.ts";
import { serverTable } from "./report.ts";
import { whyPage } from "./why.ts";

const EVERY_MS = 1_000;
const RANKS = { offline: 0, unknown: 1, online: 2 } as const;
const COLOURS = { unknown: "yellow", online: "green", offline: "red" } as const;

export default command({
  name: "top",
  summary: "Watch servers, tenants and troubles on a full screen, and drain servers",
  description:
    "Keys: arrows choose, enter says why, t lists the tenants, d drains or undrains, / filters, ? helps, q ends. Every change is shown as a command and asked for once. In a pipe it prints the servers once.",
  examples: [["slum top", "until q"]],
  args: {},
  async run(context) {
    const { out, signal } = context;
    const client = connect(context);
    const status = await client.status({}, { signal });
    if (!out.canDraw || !process.stdin.isTTY) {
      out.data(status, () => `${serverTable(out, status.servers)}${describeStatus(status).join("\n")}\n`);
      return 0;
    }
    const scene = new TopScene(out, client, signal);
    scene.show(status);
    await runLive(out, signal, scene, EVERY_MS, async (until) =>
      scene.show(await client.status({}, { signal: until })),
    );
    return 0;
  },
});

/** Of one server; the command lists all. */
const TENANTS = 500;
/** As many as there is room for. */
const KEYS = [
  "enter why  t tenants  d drain or undrain  / filter  ? help  q quit",
  "enter why  d drain  / filter  ? help  q quit",
  "? help  q quit",
];

const HELP = `
  up, down      choose a server
  enter         why it is as it is
  t             the tenants whose home it is
  d             drain it, or send it requests again
  /             filter by name, region or status; escape ends it
  ?             this page
  q             quit

  Every change is shown as a command and asked for once: y does it, any other key does not.`;

class TopScene implements Scene {
  readonly #out: Output;
  readonly #client: SlumClient;
  readonly #signal: AbortSignal;
  #status: SlumStatus | undefined;
  #chosen = 0;
  #note = "";
  /** What is read in place of the list. */
  #text: TextPage | undefined;
  #filter = "";
  #isTyping = false;
  /** A change that waits for its y. */
  #asked: ServerView | undefined;
  #redraw: () => void = () => {};

  constructor(out: Output, client: SlumClient, signal: AbortSignal) {
    this.#out = out;
    this.#client = client;
    this.#signal = signal;
  }

  show(status: SlumStatus): void {
    this.#status = status;
    this.#redraw();
  }

  say(note: string): void {
    this.#note = note;
    this.#redraw();
  }

  onChange(redraw: () => void): void {
    this.#redraw = redraw;
  }

  draw(size: Size): string[] {
    const { paint } = this.#out;
    if (this.#text) {
      const { drawn, page } = drawText(this.#text, size, paint("dim", SCROLL_HINT));
      this.#text = page;
      return drawn;
    }
    const servers = this.#servers();
    const troubles = this.#status ? describeStatus(this.#status) : [];
    const count = (state: ServerView["status"]) => servers.filter(({ status }) => status === state).length;
    const offline = count("offline") > 0 ? paint("red", `  ${count("offline")} offline`) : "";
    const head = `${paint("bold", "slum top")}  ${servers.length} servers${offline}, ${this.#status?.tenants ?? 0} tenants${this.#filter === "" ? "" : `  filter: ${this.#filter}`}`;
    this.#chosen = Math.max(0, Math.min(servers.length - 1, this.#chosen));
    const foot = this.#foot(size.columns);
    // The list is what it is about: at most a third is for what is said above it.
    const notes = troubles
      .flatMap((text) => wrapped(text, size.columns))
      .slice(0, Math.floor(size.rows / 3))
      .map((text) => paint("red", text));
    const lines = Math.max(0, size.rows - 1 - notes.length - foot.length);
    const room = Math.max(1, lines - 1);
    const top = Math.max(0, this.#chosen + 1 - room);
    const rows = servers
      .slice(top, top + room)
      .map((one, place) => rowOf(paint, one, top + place === this.#chosen, size.columns));
    const body = [paint("dim", headingOf(size.columns)), ...rows];
    return [head, ...notes, ...body.slice(0, lines), ...blank(lines - body.length), ...foot];
  }

  press(key: string): boolean {
    this.#note = "";
    const server = this.#servers()[this.#chosen];
    if (this.#asked) this.#answer(key);
    else if (this.#text) this.#text = scrolled(this.#text, key);
    else if (this.#isTyping) this.#type(key);
    else if (key === "q") return true;
    else this.#command(key, server);
    return false;
  }

  #command(key: string, server: ServerView | undefined): void {
    if (key === "escape") this.#filter = "";
    else if (key === "/") this.#isTyping = true;
    else if (key === "?") this.#text = textPage(HELP);
    else if (key === "up" || key === "k") this.#chosen = Math.max(0, this.#chosen - 1);
    else if (key === "down" || key === "j")
      this.#chosen = Math.min(this.#servers().length - 1, this.#chosen + 1);
    else if (key === "d") this.#asked = server;
    else if (key === "enter" && server) this.#read(this.#why(server.id));
    else if (key === "t" && server) this.#read(this.#tenants(server.id));
  }

  #type(key: string): void {
    if (key === "enter") this.#isTyping = false;
    else if (key === "escape") {
      this.#isTyping = false;
      this.#filter = "";
    } else this.#filter = typed(this.#filter, key);
  }

  #servers(): readonly ServerView[] {
    const words = this.#filter.toLowerCase().split(/\s+/);
    return (this.#status?.servers ?? [])
      .filter(({ id, region, status, drained }) => {
        const text = `${id} ${region ?? ""} ${status} ${drained ? "drained" : ""}`;
        return words.every((word) => text.includes(word));
      })
      .toSorted((a, b) => RANKS[a.status] - RANKS[b.status] || a.id.localeCompare(b.id));
  }

  #foot(columns: number): string[] {
    const { paint } = this.#out;
    if (this.#asked) return wrapped(`${paint("yellow", commandFor(this.#asked))}   do it? y/n`, columns);
    if (this.#isTyping) return wrapped(`filter: ${this.#filter}█`, columns);
    return this.#note === "" ? [paint("dim", longest(KEYS, columns))] : wrapped(this.#note, columns);
  }

  #answer(key: string): void {
    const server = this.#asked;
    this.#asked = undefined;
    if (key !== "y" || !server) {
      this.say("nothing was done");
      return;
    }
    const change = { params: { id: server.id }, body: { drained: !server.drained } };
    this.#client.drainServer(change, { signal: this.#signal }).then(
      () => this.say(`done; undo: ${commandFor({ ...server, drained: !server.drained })}`),
      (thrown) => this.say(faultLine(thrown)),
    );
  }

  async #why(subject: string): Promise<string> {
    return whyPage(this.#out, await this.#client.why({ query: { subject } }, { signal: this.#signal }));
  }

  async #tenants(server: string): Promise<string> {
    const query = { server, unroutable: "false" as const, offset: 0, limit: TENANTS };
    const { tenants, total } = await this.#client.listTenants({ query }, { signal: this.#signal });
    const lines = tenants.map(({ id, domain, served_by: by, routable }) => {
      const where = by === null || !routable ? "no server is online" : `served by ${by}`;
      return `${fit(id, 24)} ${fit(domain, 32)} ${where}`;
    });
    const more = total > tenants.length ? [`and ${total - tenants.length} more: slum tenant list`] : [];
    return [`${total} tenants have their home at ${server}`, "", ...lines, ...more].join("\n");
  }

  #read(text: Promise<string>): void {
    this.#text = textPage("looking…");
    text.then(
      (found) => {
        this.#text = textPage(found);
        this.#redraw();
      },
      (thrown) => {
        this.#text = undefined;
        this.say(faultLine(thrown));
      },
    );
  }
}

function commandFor({ id, drained }: Pick<ServerView, "id" | "drained">): string {
  return `slum server ${drained ? "undrain" : "drain"} ${id}`;
}

interface Column {
  readonly heading: string;
  readonly width: number;
  cell(server: ServerView): string;
}

/** Those at the end are left out first where there is no room. */
const COLUMNS: readonly Column[] = [
  {
    heading: "LATENCY",
    width: 8,
    cell: ({ latency_ms: ms }) => (ms === null ? "-" : formatMillis(ms)),
  },
  {
    heading: "SINCE",
    width: 8,
    cell: ({ since }) => formatSeconds((systemClock.now() - Date.parse(since)) / 1000),
  },
  { heading: "TENANTS", width: 8, cell: ({ tenants }) => String(tenants) },
  { heading: "IN FLIGHT", width: 9, cell: ({ in_flight: count }) => String(count) },
];
const STATUS_WIDTH = 16;
const NAME_MIN = 12;

function columnsFor(width: number): readonly Column[] {
  const fits = (some: readonly Column[]) => NAME_MIN + 1 + STATUS_WIDTH + widthOf(some) <= width;
  const counts = COLUMNS.map((_, at) => COLUMNS.length - at);
  return counts.map((count) => COLUMNS.slice(0, count)).find(fits) ?? [];
}

function widthOf(columns: readonly Column[]): number {
  return columns.reduce((sum, { width }) => sum + 1 + width, 0);
}

function headingOf(columns: number): string {
  const numbers = columnsFor(columns).map(({ heading, width }) => ` ${heading.padStart(width)}`);
  return `${fit("SERVER", nameWidth(columns))} ${fit("STATUS", STATUS_WIDTH)}${numbers.join("")}`;
}

function rowOf(paint: Paint, one: ServerView, isChosen: boolean, columns: number): string {
  const status = fit(one.drained ? `${one.status}, drained` : one.status, STATUS_WIDTH);
  const numbers = columnsFor(columns).map(({ cell, width }) => ` ${cell(one).padStart(width)}`);
  const name = fit(one.region === null ? one.id : `${one.id} (${one.region})`, nameWidth(columns));
  if (isChosen) return paint("inverse", `${name} ${status}${numbers.join("")}`);
  return `${name} ${paint(COLOURS[one.status], status)}${numbers.join("")}`;
}

function nameWidth(columns: number): number {
  const left = columns - 1 - STATUS_WIDTH - widthOf(columnsFor(columns));
  return Math.max(NAME_MIN, Math.min(40, left));
}
