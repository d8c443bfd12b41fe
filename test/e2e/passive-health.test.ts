// Passive health: an instance that passes its check and answers no request leaves the split, and comes back when it answers.
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { writeRelease } from "../support/releases.ts";
import { until } from "../support/until.ts";
import { startTen, type Ten, untilState } from "./ten.ts";

const HOST = "api.localhost";

/** Hangs on all but its health path while a file named after the instance says so. */
const APP = `
import { existsSync, readFileSync } from "node:fs";
const { HOST: hostname, PORT, TEN_INSTANCE, FAULTS } = process.env;
const fault = () => {
  const file = FAULTS + "/_" + TEN_INSTANCE;
  return existsSync(file) ? readFileSync(file, "utf8") : "";
};
Bun.serve({
  port: Number(PORT),
  hostname,
  idleTimeout: 0,
  fetch(request, server) {
    if (request.url.endsWith("/health") || fault() === "") return new Response(TEN_INSTANCE);
    return new Promise(() => {});
  },
});
`;

function start(settings = ""): Promise<Ten> {
  return startTen({
    toml: `[settings]
health_check_interval = 1
${settings}
[service.api]
command = "'${process.execPath}' app.ts"
workdir = "releases/v1"
health = "/health"
request_timeout = 60
# What hangs holds up no restart and no end for longer.
drain_timeout = 2
[service.api.env]
FAULTS = "{data_dir}"
`,
    prepare: (dir) => writeRelease(dir, "v1", "app.ts", APP),
  });
}

const fault = (ten: Ten, id: string, what: string) => writeFileSync(`${ten.dataDir}/_${id}`, what);

/** Visitors that do not wait for each other, until they are told to stop; nobody waits for those that hang. */
function visit(ten: Ten, everyMs: number): Disposable & { readonly seen: Map<string, number> } {
  const seen = new Map<string, number>();
  const abort = new AbortController();
  const timer = setInterval(() => {
    ten
      .get(HOST, "/", { signal: abort.signal })
      .then(({ status, instance }) => {
        const key = status === 200 ? (instance ?? "") : String(status);
        seen.set(key, (seen.get(key) ?? 0) + 1);
      })
      .catch(() => {});
  }, everyMs);
  return {
    seen,
    [Symbol.dispose]() {
      clearInterval(timer);
      abort.abort();
    },
  };
}

test.each([1, 2])(
  "one of three that hangs on all but its health leaves the split, through %i workers, and comes back when it answers",
  async (workers) => {
    await using ten = await start(`workers = ${workers}`);
    for (const id of ["a", "b", "c"]) await ten.ok("spawn", `api:${id}`);
    for (const id of ["a", "b", "c"]) await untilState(ten, `api:${id}`, "healthy");
    fault(ten, "api:b", "hang");
    using visitors = visit(ten, 40);
    await untilState(ten, "api:b", "unhealthy");
    expect((await ten.ps())["api:b"]).toMatchObject({
      reason: "passes its check, answers no request",
      share: 0,
    });
    // Its check passes, and does not bring it back.
    expect((await ten.ok("health", "api:b")).stdout).toContain("check passed");
    await Bun.sleep(2_500);
    expect((await ten.ps())["api:b"]?.state).toBe("unhealthy");
    fault(ten, "api:b", "");
    await untilState(ten, "api:b", "healthy");
    expect((await ten.ps())["api:b"]?.reason).toBe("answers requests again");
    const before = visitors.seen.get("api:b") ?? 0;
    await until("it is in the split again", () => (visitors.seen.get("api:b") ?? 0) > before + 3);
    expect([...visitors.seen.keys()].sort()).toEqual(["api:a", "api:b", "api:c"]);
  },
  180_000,
);

test("of two that both hang one stays, and the only one of a service stays", async () => {
  await using ten = await start();
  for (const id of ["a", "b"]) await ten.ok("spawn", `api:${id}`);
  for (const id of ["a", "b"]) await untilState(ten, `api:${id}`, "healthy");
  fault(ten, "api:b", "hang");
  using _ = visit(ten, 40);
  await untilState(ten, "api:b", "unhealthy");
  fault(ten, "api:a", "hang");
  // Longer than it takes to be found.
  await Bun.sleep(12_000);
  expect((await ten.ps())["api:a"]).toMatchObject({ state: "healthy", share: 100 });
});

test("a restart of it begins without the mark", async () => {
  await using ten = await start();
  for (const id of ["a", "b"]) await ten.ok("spawn", `api:${id}`);
  for (const id of ["a", "b"]) await untilState(ten, `api:${id}`, "healthy");
  fault(ten, "api:b", "hang");
  using _ = visit(ten, 40);
  await untilState(ten, "api:b", "unhealthy");
  fault(ten, "api:b", "");
  await ten.ok("restart", "api:b");
  expect((await ten.ps())["api:b"]).toMatchObject({ state: "healthy", share: 50 });
});
