// A notes service: one page, and notes that are kept in a SQLite file (DATABASE_PATH) or in PostgreSQL (DATABASE_URL).
import { Database } from "bun:sqlite";
import { SQL } from "bun";

const { HOST = "127.0.0.1", PORT = "3000", DATABASE_URL, DATABASE_PATH = "notes.db" } = process.env;
const { TEN_VERSION = "v1", REGION = "here" } = process.env;
const CREATE = "CREATE TABLE IF NOT EXISTS notes (text TEXT NOT NULL, at TEXT NOT NULL)";

interface Notes {
  add(text: string): Promise<void>;
  last(count: number): Promise<string[]>;
}

function inSqlite(path: string): Notes {
  const database = new Database(path, { create: true });
  database.run("PRAGMA busy_timeout = 5000");
  database.run("PRAGMA journal_mode = WAL");
  database.run(CREATE);
  const insert = database.query("INSERT INTO notes (text, at) VALUES (?, datetime('now'))");
  const select = database.query("SELECT text FROM notes ORDER BY rowid DESC LIMIT ?");
  return {
    add: async (text) => void insert.run(text),
    last: async (count) => (select.all(count) as { text: string }[]).map(({ text }) => text),
  };
}

async function inPostgres(url: string): Promise<Notes> {
  const sql = new SQL(url);
  // Two instances may start at the same moment.
  await sql.unsafe(CREATE).catch(() => sql.unsafe(CREATE));
  return {
    add: async (text) => void (await sql`INSERT INTO notes (text, at) VALUES (${text}, now())`),
    last: async (count) =>
      (await sql`SELECT text FROM notes ORDER BY at DESC LIMIT ${count}`).map(
        ({ text }: { text: string }) => text,
      ),
  };
}

const notes = DATABASE_URL ? await inPostgres(DATABASE_URL) : inSqlite(DATABASE_PATH);

const page = (texts: readonly string[]) => `<!doctype html><meta charset="utf-8"><title>Notes</title>
<h1>Notes</h1><p>${TEN_VERSION} in ${REGION}</p>
<form method="post" action="/notes"><input name="text" required autofocus><button>Keep it</button></form>
<ul>${texts.map((text) => `<li>${Bun.escapeHTML(text)}`).join("")}</ul>`;

Bun.serve({
  port: Number(PORT),
  hostname: HOST,
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/health") return new Response("ok");
    if (pathname === "/notes" && request.method === "POST") {
      const isForm = request.headers.get("content-type")?.includes("form");
      const text = isForm ? String((await request.formData()).get("text")) : await request.text();
      await notes.add(text);
      return isForm ? Response.redirect("/", 303) : new Response("kept", { status: 201 });
    }
    if (pathname === "/notes")
      return Response.json(await notes.last(Number(searchParams.get("last") ?? 100)));
    if (pathname === "/version") return new Response(`${TEN_VERSION}\n`);
    return new Response(page(await notes.last(20)), { headers: { "Content-Type": "text/html" } });
  },
});
