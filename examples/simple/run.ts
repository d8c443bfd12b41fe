// The set-up "Simple", live: one slum, one ten, notes in SQLite. What it survives is shown, and what it does not.
import { Machine } from "../kit/machine.ts";
import { Router } from "../kit/router.ts";
import { Stage, until } from "../kit/stage.ts";
import { Story } from "../kit/story.ts";
import { Visitors } from "../kit/visitors.ts";

const HOST = "notes.example.com";

await using stage = new Stage();
const story = new Story();

story.say("one machine with the notes service, notes in SQLite, and a slum in front of it");
const here = new Machine(stage, "here", { workers: 2, env: 'DATABASE_PATH = "{shared_dir}/notes.db"\n' });
const slum = new Router(stage, "slum");
await Promise.all([here.boot(), slum.boot()]);
await here.ten("deploy", "notes", "--version", "v1");
await slum.slum("server", "add", "here", here.url);
await slum.slum("tenant", "add", "notes", HOST, "here", "notes");
story.say(`visitors come to ${HOST} at ${slum.url}`);
await using visitors = new Visitors([slum.url], HOST);

await story.scene("a new version: ten deploy notes --version v2 --promote --stop-old", visitors, () =>
  here.ten("deploy", "notes", "--version", "v2", "--promote", "--stop-old"),
);
await story.scene("the app crashes (kill -9); ten starts it again, and requests wait for it", visitors, () =>
  here.killApp(),
);
await story.scene(
  "ten itself is killed (kill -9) and started again; app and proxy workers go on",
  visitors,
  async () => {
    await here.killTen();
    await visitors.more(50);
    await here.boot();
  },
);
await story.scene(
  "slum is killed (kill -9) and started again: the one thing that there is one of",
  visitors,
  async () => {
    await slum.kill();
    await slum.boot();
    await until("it routes", async () => (await slum.statusOf("here")) === "online");
  },
);
await story.end(visitors);
