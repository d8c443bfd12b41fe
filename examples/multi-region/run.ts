// The set-up "Multi-region", live: three tens, one of which writes to SQLite; Litestream copies that to a bucket; the others read copies.
import { REFRESH_SECS, SYNC_MS } from "../kit/litestream.ts";
import { Regions } from "../kit/regions.ts";
import { Router } from "../kit/router.ts";
import { Stage, until } from "../kit/stage.ts";
import { Story } from "../kit/story.ts";
import { Visitors } from "../kit/visitors.ts";

const HOST = "notes.example.com";

await using stage = new Stage();
const story = new Story();

story.say("iad writes, fra and syd read copies from a bucket, and a slum in front of them");
const regions = new Regions(stage);
const slum = new Router(stage, "slum");
await Promise.all([regions.boot(), slum.boot()]);
for (const { name, url } of regions.all) await slum.slum("server", "add", name, url);
const failover = ["--failover", "fra,syd", "--writes", "home"];
await slum.slum("tenant", "add", "notes", HOST, "iad", "notes", ...failover);
story.say(`visitors come to ${HOST} at ${slum.url}`);
await using visitors = new Visitors([slum.url], HOST);

await story.scene(
  `fra and syd fetch a fresh copy every ${REFRESH_SECS} s, while visitors read and write in iad`,
  visitors,
  async () => {
    await regions.untilFresh(regions.fra);
    await regions.untilFresh(regions.syd);
  },
);
await story.scene("iad is gone, with its disk: fra answers reads, writes are refused", visitors, async () => {
  visitors.cutOff();
  await regions.loseWriter();
  await until("slum has seen it", async () => (await slum.statusOf("iad")) === "offline");
});
await story.scene(
  "iad will not come back soon: fra restores the last copy and writes from now on",
  visitors,
  async () => {
    await regions.promote(regions.fra);
    await slum.slum("tenant", "move", "notes", "fra");
  },
);
await story.scene("syd follows fra", visitors, () => regions.follow(regions.syd));
story.say("\nwhat is lost is what iad wrote in its last second, and Litestream had not yet copied");
await story.end(visitors, SYNC_MS);
