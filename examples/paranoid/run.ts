// The set-up "Full paranoid", live: three slums on one registry in a PostgreSQL that fails over, and three regions as in multi-region.
import { startCluster } from "../kit/cluster.ts";
import { SYNC_MS } from "../kit/litestream.ts";
import { Regions } from "../kit/regions.ts";
import { Router } from "../kit/router.ts";
import { Stage, until } from "../kit/stage.ts";
import { Story } from "../kit/story.ts";
import { Visitors } from "../kit/visitors.ts";

const HOST = "notes.example.com";

await using stage = new Stage();
const story = new Story();

story.say(
  "three regions with the notes service, three slums in front of them, their registry in a PostgreSQL with a replica",
);
const cluster = await startCluster(stage);
const regions = new Regions(stage);
const routers = ["a", "b", "c"].map((name) => new Router(stage, `slum-${name}`, { SLUM_DB: cluster.url }));
const [a, b, c] = routers as [Router, Router, Router];
await Promise.all([regions.boot(), ...routers.map((router) => router.boot())]);
for (const { name, url } of regions.all) await a.slum("server", "add", name, url);
const failover = ["--failover", "fra,syd", "--writes", "home"];
await a.slum("tenant", "add", "notes", HOST, "iad", "notes", ...failover);
for (const router of routers)
  await until(`${router.name} routes`, async () => (await router.run("route", HOST)).exit === 0);
story.say(`visitors come to ${HOST}, whose name leads to all three`);
await using visitors = new Visitors(
  routers.map(({ url }) => url),
  HOST,
);

await story.scene(
  "the slum that all visitors use dies: the next address of the name takes them",
  visitors,
  () => a.kill(),
);
await story.scene("the registry's database dies, and its replica takes over", visitors, () =>
  cluster.failOver(),
);
await story.scene("a change is made at one slum, and in force at the other", visitors, async () => {
  await until("the registry takes changes", async () => (await b.run("server", "drain", "syd")).exit === 0);
  await until("the other has it", async () => (await c.slum("server", "list")).includes("drained"));
  await c.slum("server", "undrain", "syd");
});
await story.scene("iad is gone, with its disk: fra answers reads, writes are refused", visitors, async () => {
  visitors.cutOff();
  await regions.loseWriter();
  for (const router of [b, c])
    await until(`${router.name} has seen it`, async () => (await router.statusOf("iad")) === "offline");
});
await story.scene(
  "fra restores the last copy and writes from now on; the dead slum comes back",
  visitors,
  async () => {
    await regions.promote(regions.fra);
    await b.slum("tenant", "move", "notes", "fra");
    await a.boot();
  },
);
story.say("\nwhat is lost is what iad wrote in its last second, and Litestream had not yet copied");
await story.end(visitors, SYNC_MS);
