// The regions of "Multi-region" apart: each in a network of its own with an address, some far away; links break, also in one direction only.
import { Machine } from "../kit/machine.ts";
import { insideNetwork, mayHaveNetworks, Network } from "../kit/network.ts";
import { Router } from "../kit/router.ts";
import { Stage, until } from "../kit/stage.ts";
import { Story } from "../kit/story.ts";
import { Visitors } from "../kit/visitors.ts";

const HOST = "notes.example.com";
const FAR_MS = 40;
const FARTHER_MS = 120;

if (!mayHaveNetworks()) {
  process.stdout.write(
    '{"skipped": "this user may not have networks of its own (unshare -rn, nsenter, ip)"}\n',
  );
  process.exit(0);
}
const outside = await insideNetwork();
if (outside !== undefined) process.exit(outside);

await using stage = new Stage();
await using network = new Network(stage);
const story = new Story();

story.say("three regions and a slum, each in a network of its own; fra is far from slum, syd farther");
const [iadHere, fraHere, sydHere, slumHere] = [
  await network.region("iad"),
  await network.region("fra"),
  await network.region("syd"),
  await network.region("slum"),
];
const env = `DATABASE_PATH = "{shared_dir}/notes.db"\n`;
const iad = new Machine(stage, "iad", { env, region: iadHere });
const fra = new Machine(stage, "fra", { env, region: fraHere });
const syd = new Machine(stage, "syd", { env, region: sydHere });
const slum = new Router(stage, "slum", {}, [], slumHere);
const machines = [iad, fra, syd];
await Promise.all([...machines, slum].map((one) => one.boot()));
for (const machine of machines) await machine.ten("deploy", "notes", "--version", "v1");
await slum.slum("server", "add", "iad", iad.url);
await slum.slum("server", "add", "fra", network.far(fraHere, fra.port, FAR_MS));
await slum.slum("server", "add", "syd", network.far(sydHere, syd.port, FARTHER_MS));
// No list: whoever answers soonest takes over.
await slum.slum("tenant", "add", "notes", HOST, "iad", "notes", "--writes", "home");
await until("slum knows how far they are", async () => (await slum.statusOf("syd")) === "online");
story.say(`visitors come to ${HOST} at ${slum.url}`);
await using visitors = new Visitors([slum.url], HOST);

const isOffline = (server: string) =>
  until(`${server} is offline`, async () => (await slum.statusOf(server)) === "offline");
const areBack = () =>
  until("all visitors are back in iad", async () => {
    visitors.look();
    await visitors.more(30);
    const { by, requests } = visitors.look();
    return by.iad === requests;
  });

await story.scene(
  "the link to iad is cut: reads go to the nearest of the others, writes wait or are refused",
  visitors,
  async () => {
    network.cut(iadHere);
    await isOffline("iad");
  },
);
await story.scene("it is mended, and visitors return when iad is steady", visitors, async () => {
  network.mend(iadHere);
  await areBack();
});
await story.scene("only iad's answers get lost: slum's packets arrive, iad's do not", visitors, async () => {
  network.cutOneWay(iadHere, slumHere);
  await isOffline("iad");
});
await story.scene("that is mended too", visitors, async () => {
  network.mendOneWay(iadHere, slumHere);
  await areBack();
});
await story.end(visitors);
