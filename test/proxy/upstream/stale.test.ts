// The question whether an idle socket is still good, asked often enough for the compiler to have its say.
import { expect, test } from "bun:test";
import { openStaleCheck } from "../../../src/proxy/upstream/stale.ts";
import { scriptedOrigin } from "../../support/scripted-origin.ts";
import { until } from "../../support/until.ts";

/** More calls than it takes until the function has been compiled. */
const MANY = 20_000;

test.if(process.platform === "linux")(
  "it stays the socket that is asked about, compiled or not",
  async () => {
    await using target = scriptedOrigin({ onConnect: (connection) => connection.write("unasked") });
    await using quiet = scriptedOrigin({});
    const talking = await open(target.origin.port);
    const silent = await open(quiet.origin.port);
    const isStale = openStaleCheck();
    await until("what was not asked for has come", () => isStale?.(talking));
    const wrong = { talking: 0, silent: 0 };
    for (let i = 0; i < MANY; i++) {
      if (isStale?.(talking) !== true) wrong.talking++;
      if (isStale?.(silent) !== false) wrong.silent++;
    }
    expect(wrong).toEqual({ talking: 0, silent: 0 });
  },
);

test.if(process.platform === "linux")("a signal makes no socket stale", async () => {
  await using quiet = scriptedOrigin({});
  const silent = await open(quiet.origin.port);
  const isStale = openStaleCheck();
  let signals = 0;
  const count = () => void signals++;
  process.on("SIGUSR2", count);
  const sender = Bun.spawn(["sh", "-c", `while kill -USR2 ${process.pid}; do :; done`]);
  let wrong = 0;
  await until("signals have come between many answers", () => {
    for (let i = 0; i < MANY; i++) if (isStale?.(silent) !== false) wrong++;
    return signals > 10;
  });
  sender.kill();
  await sender.exited;
  process.off("SIGUSR2", count);
  expect(wrong).toBe(0);
});

/** A connection that nobody reads, as its descriptor. */
async function open(port: number): Promise<number> {
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: { open: (opened) => void opened.pause(), data() {} },
  });
  return (socket as unknown as { readonly fd: number }).fd;
}
