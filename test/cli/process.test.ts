// The toolkit in a real process: pipes that close, signals, and timers that do not keep it alive.
import { expect, test } from "bun:test";

const ZOO = `${import.meta.dir}/zoo.ts`;

function start(...argv: string[]) {
  return Bun.spawn([process.execPath, ZOO, ...argv], {
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, NO_COLOR: "1" },
  });
}

test("all output arrives at a slow reader before the process ends", async () => {
  await using child = start("flood");
  const text = await new Response(child.stdout).text();
  expect([text.length, await child.exited]).toEqual([3 * 1024 * 1024, 0]);
});

test("a closed pipe ends the command and is not an error", async () => {
  await using child = Bun.spawn(
    ["sh", "-c", `"$0" "$1" flood --megabytes 100000 | head -c 1; exit`, process.execPath, ZOO],
    {
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  expect(await new Response(child.stdout).text()).toBe("x");
  expect(await new Response(child.stderr).text()).toBe("");
});

test("a closed pipe exits with 0", async () => {
  await using child = start("flood", "--megabytes", "100000");
  await child.stdout.cancel();
  expect([await new Response(child.stderr).text(), await child.exited]).toEqual(["", 0]);
});

test("a command that waits on a clock is not cut short", async () => {
  await using child = start("wait", "--ms", "50");
  expect([await new Response(child.stdout).text(), await child.exited]).toEqual(["waiting\ndone\n", 0]);
});

test.each(["SIGINT", "SIGTERM"] as const)("%s lets a command stop waiting, with exit 7", async (signal) => {
  await using child = start("wait");
  await firstBytes(child.stdout);
  child.kill(signal);
  expect([await new Response(child.stderr).text(), await child.exited]).toEqual(["error: interrupted\n", 7]);
});

test("a second signal ends a command that does not listen to the first", async () => {
  await using child = start("wait", "--stubborn");
  await firstBytes(child.stdout);
  child.kill("SIGINT");
  // Two pending signals of one number are one signal.
  child.kill("SIGTERM");
  expect([await new Response(child.stderr).text(), await child.exited]).toEqual(["error: interrupted\n", 7]);
});

async function firstBytes(stream: ReadableStream<Uint8Array>): Promise<void> {
  const reader = stream.getReader();
  await reader.read();
  reader.releaseLock();
}
