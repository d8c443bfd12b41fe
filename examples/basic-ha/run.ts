// The set-up "Basic HA", live: one slum, two tens, one PostgreSQL that both use. A machine dies, and comes back.
import { Machine } from "../kit/machine.ts";
import { startDatabase } from "../kit/postgres.ts";
import { Router } from "../kit/router.ts";
import { Stage, until } from "../kit/stage.ts";
import { Story } from "../kit/story.ts";
import { Visitors } from "../kit/visitors.ts";

const HOST = "notes.example.com";

await using stage = new Stage();
const story = new Story();

story.say("a PostgreSQL, two machines with the notes service that use it, and a slum in front of them");
const database = await startDatabase(stage);
const env = `DATABASE_URL = "${database}"\n`;
const one = new Machine(stage, "one", { env });
const two = new Machine(stage, "two", { env });
const slum = new Router(stage, "slum");
await Promise.all([one.boot(), two.boot(), slum.boot()]);
for (const machine of [one, two]) {
  await machine.ten("deploy", "notes", "--version", "v1");
  await slum.slum("server", "add", machine.name, machine.url);
}
await slum.slum("tenant", "add", "notes", HOST, "one", "notes");
story.say(`visitors come to ${HOST} at ${slum.url}`);
await using visitors = new Visitors([slum.url], HOST);

await story.scene("a release on both machines, one after the other", visitors, async () => {
  for (const machine of [one, two])
    await machine.ten("deploy", "notes", "--version", "v2", "--promote", "--stop-old");
});
await story.scene(
  "the machine of all visitors dies (power cut): the other takes over",
  visitors,
  async () => {
    await one.crash();
    await until("slum has seen it", async () => (await slum.statusOf("one")) === "offline");
  },
);
await story.scene(
  "it is switched on again, and its visitors return when it is steady",
  visitors,
  async () => {
    await one.boot();
    await until("slum has seen it", async () => (await slum.statusOf("one")) === "online");
    visitors.look();
    await until("a visitor is back", async () => {
      await visitors.more(20);
      return (visitors.look().by.one ?? 0) > 0;
    });
  },
);
await story.scene("maintenance: slum server drain one, and undrain", visitors, async () => {
  await slum.slum("server", "drain", "one");
  await visitors.more(50);
  await slum.slum("server", "undrain", "one");
});
await story.end(visitors);
