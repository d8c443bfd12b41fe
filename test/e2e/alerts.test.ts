// Trouble that is slow to come, on the compiled binary: a split that nobody ends, and a disk that is nearly full; each begins once and ends once.
import { expect, test } from "bun:test";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { canMountDisk, mountSmallDisk } from "../support/small-disk.ts";
import { until } from "../support/until.ts";
import { startTen, type Ten, tomlFor } from "./ten.ts";

const KINDS = ["canary.forgotten", "canary.settled", "disk.low", "disk.ok"];

async function told(ten: Ten): Promise<string[]> {
  const { events } = await ten.json<{ events: { kind: string; at: string }[] }>("events", "-n", "1000");
  return events.map(({ kind }) => kind).filter((kind) => KINDS.includes(kind));
}

/** It looks while there is a receiver: this one never answers. */
const receiver = (ten: Ten) => ten.ok("webhook", "add", "http://127.0.0.1:9/", "--allow-private");

/** It looks at once when it starts, and then each minute. */
async function again(ten: Ten): Promise<void> {
  ten.kill("SIGTERM");
  await ten.exited;
  await ten.start();
}

test("a split that nobody ends is told once, and its end", async () => {
  await using ten = await startTen({
    toml: tomlFor("bun").replace("[settings]", "[settings]\ncanary_forgotten_after = 1"),
  });
  await ten.ok("deploy", "api:v1");
  await ten.ok("deploy", "api:v2", "--weight", "50");
  await receiver(ten);
  const split = performance.now();
  await until("it is older than that", () => performance.now() - split > 1_500);
  await again(ten);
  await until("it is told", async () => (await told(ten)).includes("canary.forgotten"));
  await again(ten);
  await ten.ok("route", "api", "--to", "v2");
  await again(ten);
  await until("its end is told", async () => (await told(ten)).includes("canary.settled"));
  expect((await told(ten)).sort()).toEqual(["canary.forgotten", "canary.settled"]);
});

test.skipIf(!canMountDisk())(
  "a disk that is nearly full is told while there is room for it (skipped where none can be mounted)",
  async () => {
    using disk = mountSmallDisk(64);
    await using ten = await startTen({ env: { TENEMENT_DATA_DIR: join(disk.path, "data") } });
    await ten.ok("deploy", "api:v1");
    await receiver(ten);
    const { bavail, bsize } = statfsSync(disk.path);
    const filler = join(disk.path, "filler");
    writeFileSync(filler, Buffer.alloc(bavail * bsize - 2 * 1024 ** 2));
    await again(ten);
    await until("it is told", async () => (await told(ten)).includes("disk.low"));
    rmSync(filler);
    await again(ten);
    await until("its end is told", async () => (await told(ten)).includes("disk.ok"));
    expect((await told(ten)).sort()).toEqual(["disk.low", "disk.ok"]);
  },
);
