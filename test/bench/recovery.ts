// How soon an instance serves that was killed, or that slept, beside what its app takes to start by itself.
import { join } from "node:path";
import { startTen, type Ten, untilState } from "../e2e/ten.ts";
import { freePort } from "../support/free-port.ts";
import { until } from "../support/until.ts";
import { type Figure, ms, timed } from "./figure.ts";
import { median } from "./report.ts";

const ROUNDS = 10;

/** Listens about 50 ms after its start. */
const APP = `
const { PORT, HOST } = process.env;
await Bun.sleep(40);
Bun.serve({ port: Number(PORT), hostname: HOST, fetch: () => new Response(String(process.pid)) });
`;

const service = (name: string, more = "") => `
[service.${name}]
command = ${JSON.stringify(`'${process.execPath}' app.ts`)}
health = "/"
stop_grace_period_secs = 1
${more}
`;

export async function measureRecovery(): Promise<Figure[]> {
  await using ten = await startTen({
    toml: `${service("killed")}${service("asleep", "idle_timeout = 0.1")}`,
    prepare: (dir) => void Bun.write(join(dir, "app.ts"), APP),
  });
  const own = await rounds(() => startByHand(ten.dir));
  const killed = await rounds((round) => killOne(ten, `killed:r${round}`));
  await ten.ok("deploy", "asleep:v1");
  const woken = await rounds(() => wake(ten));
  return [
    { what: "the app itself, start to answer", value: ms(median(own)), note: `median of ${ROUNDS}` },
    { what: "SIGKILL to the replacement's answer", ...times(killed, own) },
    { what: "asleep, request to answer", ...times(woken, own) },
  ];
}

function times(values: readonly number[], own: readonly number[]) {
  const note = `${(median(values) / median(own)).toFixed(2)} times the app's own; slowest ${ms(Math.max(...values))}`;
  return { value: ms(median(values)), note };
}

async function rounds(one: (round: number) => Promise<number>): Promise<number[]> {
  const values: number[] = [];
  for (let round = 0; round < ROUNDS; round++) values.push(await one(round));
  return values;
}

async function startByHand(dir: string): Promise<number> {
  const port = await freePort();
  const begun = performance.now();
  const child = Bun.spawn([process.execPath, "app.ts"], {
    cwd: dir,
    env: { HOST: "127.0.0.1", PORT: String(port) },
    stdio: ["ignore", "ignore", "ignore"],
  });
  await until("it answers", () =>
    fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    ),
  );
  const tookMs = performance.now() - begun;
  child.kill("SIGKILL");
  await child.exited;
  return tookMs;
}

/** A new instance each time: the first restart is immediate, and only that one. */
async function killOne(ten: Ten, name: string): Promise<number> {
  await ten.ok("deploy", name, "--promote", "--stop-old");
  const before = Number((await ten.get("killed.localhost")).body);
  return timed(async () => {
    process.kill(before, "SIGKILL");
    await until("another process answers", async () => {
      const { status, body } = await ten.get("killed.localhost");
      return status === 200 && Number(body) !== before;
    });
  });
}

async function wake(ten: Ten): Promise<number> {
  await untilState(ten, "asleep:v1", "sleeping");
  return timed(async () => {
    const { status } = await ten.get("asleep.localhost");
    if (status !== 200) throw new Error(`asleep answered ${status}`);
  });
}
