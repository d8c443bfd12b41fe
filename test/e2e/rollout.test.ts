// A canary that judges itself, as a user sees it: real apps, real visitors, the exit codes that a script goes by.

import { Database } from "bun:sqlite";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startOrigin } from "../support/origin.ts";
import { until } from "../support/until.ts";
import { judgedToml } from "./judged.ts";
import { startTen, type Ten, type TenOptions } from "./ten.ts";

// Rollouts take their time, and more of it on a busy machine.
setDefaultTimeout(180_000);

const PATIENCE_MS = 60_000;
const HOST = "api.localhost";
/** On a busy machine times say nothing. */
const NOT_BY_TIMES = ["--max-slower", "100x"];
/** Quick steps that go on after eleven answers. */
const quick = (every: string) => {
  return ["--canary", "--steps", "25,50", "--every", every, "--notice", "20%", ...NOT_BY_TIMES];
};
const QUICK = quick("1s");

interface View {
  readonly canary: string;
  readonly stable: string;
  readonly text: string;
  readonly outcome: string | null;
  readonly phase: string;
  readonly share: number;
  readonly held: { readonly reason: string } | null;
}

interface Judged extends AsyncDisposable {
  readonly ten: Ten;
  /** Visitors come one after the other, until disposed; answers how many saw what status. */
  readonly seen: Record<string, number>;
  rollout(): Promise<View>;
  shares(): Promise<Record<string, number>>;
}

/** `good` takes all traffic, and visitors come all the time. */
async function startJudged(options: TenOptions = {}, pauseMs = 5): Promise<Judged> {
  const ten = await startTen({ toml: judgedToml(), ...options });
  await ten.ok("deploy", "api:good");
  const seen: Record<string, number> = {};
  let isOver = false;
  const visitor = async () => {
    while (!isOver) {
      const { status } = await ten.get(HOST).catch(() => ({ status: 0 }));
      seen[status] = (seen[status] ?? 0) + 1;
      await Bun.sleep(pauseMs);
    }
  };
  const visitors = Promise.all([visitor(), visitor()]);
  await until("there is something to compare with", () => (seen["200"] ?? 0) >= 30, PATIENCE_MS);
  await until("it is noticed", () => isNoticed(ten), PATIENCE_MS);
  return {
    ten,
    seen,
    async rollout() {
      const { stdout } = await ten.ok("rollout", "api", "--json");
      return JSON.parse(stdout);
    },
    async shares() {
      const all = Object.values(await ten.ps());
      return Object.fromEntries(all.map(({ id, share }) => [id, share]));
    },
    async [Symbol.asyncDispose]() {
      isOver = true;
      await ten[Symbol.asyncDispose]();
      await visitors;
    },
  };
}

/** What is counted in a server's first two seconds may be an earlier one's, and is no rate. */
async function isNoticed(ten: Ten): Promise<boolean> {
  const words = ["deploy", "api:good-2", "--canary", "--dry-run"];
  const { requests_per_sec: rate } = await ten.json<{ requests_per_sec: number }>(...words);
  return rate > 0;
}

describe("a canary that judges itself", () => {
  test("promotes a good version step by step, and stops the old one when told to", async () => {
    await using judged = await startJudged();
    const { ten } = judged;
    const done = await ten.run("deploy", "api:good-2", ...QUICK, "--bake", "0.5s", "--stop-old");
    expect([done.exit, done.stderr]).toEqual([0, expect.stringContaining("good-2 starts beside good")]);
    expect(done.stdout).toMatch(/^promoted: good-2 0 errors in \d+, after \d+ s$/m);
    expect(Object.keys(judged.seen)).toEqual(["200"]);
    const isStopped = async () => (await ten.ps())["api:good"]?.state === "stopped";
    await until("the old one is stopped", isStopped, PATIENCE_MS);
    const history = await ten.ok("history", "api");
    expect(history.stdout).toMatch(/^good-2 +good +.* ago +\d+s +promoted +good-2 0 errors in /m);
    const events = await eventsOf(ten);
    const told = events.filter(({ kind }) => kind.startsWith("rollout.")).map(({ kind }) => kind);
    expect(told).toEqual(["rollout.started", "rollout.advanced", "rollout.advanced", "rollout.promoted"]);
  });

  test("takes back a version that fails, after a handful of answers, and keeps it to be looked at", async () => {
    await using judged = await startJudged();
    const { ten } = judged;
    const done = await ten.run("deploy", "api:fails", ...QUICK);
    expect(done.exit).toBe(9);
    expect(done.stderr).toMatch(
      /rolled back: fails 100 % errors \((\d+) of \1\) against good 0 % \(0 of \d+\) at 25 %: [\d,]+ to 1, after \d+ s; \1 visitors saw an error/,
    );
    expect(judged.seen["500"]).toBeLessThan(20);
    const isStopped = async () => (await ten.ps())["api:fails"]?.state === "stopped";
    await until("it is stopped", isStopped, PATIENCE_MS);
    expect(await judged.shares()).toEqual({ "api:good": 100, "api:fails": 0 });
    const again = await ten.run("deploy", "api:fails", ...QUICK);
    expect([again.exit, again.stderr]).toEqual([
      9,
      expect.stringContaining("fails was tried before, and rolled back: "),
    ]);
  });

  test("lets no visitor see what the old version can answer, where that is wished", async () => {
    await using judged = await startJudged({ toml: judgedToml("rescue = true") });
    const { ten } = judged;
    const plan = await ten.ok("deploy", "api:unavailable", "--dry-run", ...QUICK);
    expect(plan.stdout).toContain("(7 answers, GETs rescued)");
    const done = await ten.run("deploy", "api:unavailable", ...QUICK);
    expect([done.exit, done.stderr]).toEqual([
      9,
      expect.stringMatching(
        /rolled back: unavailable 100 % errors .*; no visitors saw an error, \d+ were rescued/,
      ),
    ]);
    expect(Object.keys(judged.seen)).toEqual(["200"]);
  });

  test("takes back one that crashes in the same second", async () => {
    await using judged = await startJudged();
    const { ten } = judged;
    await ten.ok("deploy", "api:crashes", "--canary", "--detach");
    await ten.get("crashes.api.localhost", "/crash").catch(() => {});
    const ended = async () => {
      const view = await judged.rollout();
      return view.outcome === null ? undefined : view;
    };
    const { text } = await until("it is over", ended, PATIENCE_MS);
    expect(text).toMatch(/^rolled back: crashes exited with code 3 at \d+ %, after \d+ s/);
    expect(judged.seen["502"] ?? 0).toBeLessThan(3);
  });

  test("takes back one that answers nothing while the old one does", async () => {
    await using ten = await startTen({ toml: judgedToml("request_timeout = 60") });
    await ten.ok("deploy", "api:good");
    await ten.ok("deploy", "api:mute", "--canary", "--steps", "50", "--detach");
    const waiting = ten.begin("rollout", "api", "--wait");
    const visitors: Promise<unknown>[] = [];
    let isOver = false;
    const done = waiting.done.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      visitors.push(ten.get(HOST).catch(() => {}));
      await Bun.sleep(200);
    }
    const { exit, stderr } = await done;
    expect([exit, stderr]).toEqual([
      9,
      expect.stringMatching(/rolled back: mute has answered nothing for 10 s, \d+ requests wait at 50 %/),
    ]);
    // They are cut with the version that they wait for.
    await Promise.all(visitors);
  });

  test("holds when the new version rejects visitors, and asks", async () => {
    await using judged = await startJudged();
    const { ten } = judged;
    const done = await ten.run("deploy", "api:rejects", "--canary", "--steps", "50");
    expect([done.exit, done.stderr]).toEqual([
      10,
      expect.stringMatching(
        /held: rejects answers 4xx more often than good: [a-z\d, ]+ to 1; is that meant\? ten promote api \| ten abort api/,
      ),
    ]);
    expect(await judged.shares()).toEqual({ "api:good": 50, "api:rejects": 50 });
    const aborted = await ten.ok("abort", "api");
    expect(aborted.stdout).toMatch(/^rolled back: aborted by hand at 50 %, after \d+ s\n$/);
    expect(await judged.shares()).toMatchObject({ "api:good": 100 });
  });

  test("holds for want of traffic, with what is missing", async () => {
    await using ten = await startTen({ toml: judgedToml() });
    await ten.ok("deploy", "api:good");
    const done = await ten.run("deploy", "api:good-2", "--canary", "--limit", "1s");
    expect([done.exit, done.stderr]).toEqual([
      10,
      expect.stringContaining(
        "held: good-2 has 0 of the 11 answers it needs (0 errors); none has come yet; ten promote api | ten abort api",
      ),
    ]);
    const ps = await ten.ok("ps");
    expect(ps.stdout).toContain("api: rollout of good-2: held: good-2 has 0 of the 11 answers");
    await ten.ok("promote", "api");
    const { phase, share } = await ten.json<View>("rollout", "api");
    expect({ phase, share }).toEqual({ phase: "bake", share: 100 });
    const held = await ten.run("hold", "api");
    expect([held.exit, held.stderr]).toEqual([4, expect.stringContaining("good-2 has everything already")]);
    const ended = await ten.ok("promote", "api");
    expect(ended.stdout).toStartWith("promoted: good-2 0 errors in 0");
  });
});

async function eventsOf(ten: Ten): Promise<{ kind: string; detail: string }[]> {
  const unix = join(ten.dataDir, "ten.sock");
  const answer = await fetch("http://localhost/api/events", { unix } as RequestInit);
  return ((await answer.json()) as { events: { kind: string; detail: string }[] }).events;
}

test("probes let a service that nobody visits have an answer, of a good version and of a bad one", async () => {
  await using ten = await startTen({ toml: judgedToml() });
  await ten.ok("deploy", "api:good");
  const probing = ["--canary", "--probe", "/orders/1", "--notice", "20%", "--every", "1s", "--bake", "0"];
  const plan = await ten.ok("deploy", "api:good-2", ...probing, "--dry-run");
  expect(plan.stdout).toContain("Both are asked for /orders/1 once a second besides.");
  const bad = await ten.run("deploy", "api:fails", ...probing, "--wait");
  expect([bad.exit, bad.stderr]).toEqual([
    9,
    expect.stringMatching(
      /rolled back: fails 100 % errors \(14 of 14\) against good 0 % \(0 of 14\), 14 of each of them probes, at 50 %/,
    ),
  ]);
  const good = await ten.run("deploy", "api:good-2", ...probing, "--wait");
  expect([good.exit, good.stdout]).toEqual([0, expect.stringContaining("20 points more are ruled out")]);
  // Nobody has been there: probes are no traffic.
  expect((await ten.ps())["api:good-2"]).toMatchObject({ requests: 0, share: 100 });
  const none = await ten.run("deploy", "api:good-3", "--canary", "--probe", "orders");
  expect([none.exit, none.stderr]).toEqual([2, expect.stringContaining('probe "orders" is no path')]);
});

test("each move is told to the receivers of webhooks, with the sentence that history has", async () => {
  const heard: { type: string; text: string }[] = [];
  await using receiver = startOrigin(async (request) => {
    heard.push((await request.json()) as { type: string; text: string });
    return new Response("thanks");
  });
  await using judged = await startJudged();
  const { ten } = judged;
  await ten.ok("webhook", "add", receiver.url, "--only", "rollout.*", "--allow-private");
  await ten.ok("deploy", "api:good-2", ...quick("2s"), "--bake", "0", "--detach");
  await ten.ok("hold", "api");
  await ten.ok("hold", "api", "off");
  expect((await ten.run("rollout", "api", "--wait")).exit).toBe(0);
  await ten.ok("deploy", "api:fails", ...QUICK, "--detach");
  expect((await ten.run("rollout", "api", "--wait")).exit).toBe(9);
  const types = () => heard.map(({ type }) => type.replace("rollout.", ""));
  await until("all is told", () => types().includes("rolled_back"), PATIENCE_MS);
  expect(types()).toEqual(["started", "held", "resumed", "advanced", "promoted", "started", "rolled_back"]);
  const { events } = await ten.json<{ events: { kind: string; detail: string }[] }>(
    "events",
    "--service",
    "api",
  );
  for (const { type, text } of heard) {
    const sentences = events.filter(({ kind }) => kind === type).map(({ detail }) => detail);
    expect(sentences.some((sentence) => text.includes(sentence))).toBe(true);
  }
  expect(heard.at(-1)?.text).toMatch(/rolled back: fails 100 % errors .* to 1, after/);
});

describe("whoever moves traffic by hand", () => {
  test.each([
    [["weight", "api:good-2", "40"], { "api:good": 60, "api:good-2": 40 }],
    // It is so already, and is to stay so.
    [["weight", "api:good-2", "25"], { "api:good": 75, "api:good-2": 25 }],
    [["route", "api", "--to", "good-2"], { "api:good": 0, "api:good-2": 100 }],
    [["rollback", "api"], { "api:good": 100, "api:good-2": 0 }],
    [["stop", "api:good-2"], { "api:good": 100, "api:good-2": 0 }],
  ])("takes over, and it says so: %j", async (words, shares) => {
    await using judged = await startJudged();
    const { ten } = judged;
    await ten.ok("deploy", "api:good-2", "--canary", "--steps", "25", "--detach");
    const waiting = ten.begin("rollout", "api", "--wait");
    await waiting.said("good-2");
    const done = await ten.ok(...words);
    if (words[0] !== "stop")
      expect(done.stderr).toContain("with that the rollout of good-2 is over, nothing judges it any more");
    expect(await judged.shares()).toEqual(shares);
    const { outcome, text } = await judged.rollout();
    expect({ outcome, text }).toEqual({
      outcome: "taken_over",
      text: expect.stringContaining(`taken over by hand: ten ${words[0]} `),
    });
    const { exit, stderr } = await waiting.done;
    expect([exit, stderr]).toEqual([
      4,
      expect.stringContaining("good-2 is not judged any more: taken over by hand"),
    ]);
  });

  test("a second canary replaces the first, and the stable version stays it", async () => {
    await using judged = await startJudged();
    const { ten } = judged;
    await ten.ok("deploy", "api:good-2", "--canary", "--steps", "40", "--detach");
    const done = await ten.ok("deploy", "api:good-3", "--canary", "--steps", "20", "--detach");
    expect(done.stderr).toContain("good-3 starts beside good: 20 %, 100 %");
    expect(await judged.shares()).toEqual({ "api:good": 80, "api:good-2": 0, "api:good-3": 20 });
    const isStopped = async () => (await ten.ps())["api:good-2"]?.state === "stopped";
    await until("the first is stopped", isStopped, PATIENCE_MS);
    const { rollouts } = await ten.json<{ rollouts: View[] }>("history", "api");
    expect(rollouts.map(({ canary, outcome }) => [canary, outcome])).toEqual([
      ["good-3", null],
      ["good-2", "replaced"],
    ]);
  });

  test("holds and goes on", async () => {
    await using judged = await startJudged();
    const { ten } = judged;
    await ten.ok("deploy", "api:good-2", ...quick("2s"), "--detach");
    const held = await ten.ok("hold", "api");
    expect(held.stdout).toMatch(
      /^held at 25 % by hand: .*; ten hold api off \| ten promote api \| ten abort api\n$/,
    );
    expect((await ten.run("rollout", "api", "--wait")).exit).toBe(10);
    const off = await ten.ok("hold", "api", "off");
    expect(off.stdout).toStartWith("judging goes on at 25 %: ");
    await until("it goes on", async () => (await judged.rollout()).share > 25, PATIENCE_MS);
  });
});

describe("a restart of the server", () => {
  test.each([1, 2])(
    "by kill -9, with %i workers, goes on where it was",
    async (workers) => {
      const prepare = `[settings]\nworkers = ${workers}\n`;
      await using judged = await startJudged({ toml: judgedToml().replace("[settings]\n", prepare) });
      const { ten } = judged;
      await ten.ok("deploy", "api:good-2", ...quick("2s"), "--bake", "2s", "--detach");
      const waiting = ten.begin("rollout", "api", "--wait");
      await waiting.said("good-2");
      for (const at of ["25", "50", "100"]) {
        const isThere = async () => {
          const { share, outcome } = await judged.rollout();
          return outcome !== null || share >= Number(at);
        };
        await until(`it is at ${at} %`, isThere, PATIENCE_MS);
        ten.kill("SIGKILL");
        await ten.exited;
        await ten.start();
      }
      const { exit, stdout } = await waiting.done;
      expect([exit, stdout]).toEqual([0, expect.stringContaining("promoted: good-2")]);
      // With one worker connects are refused until the next start.
      const failed = Object.keys(judged.seen).filter((status) => status !== "200" && status !== "0");
      expect(failed).toEqual([]);
      if (workers > 1) expect(judged.seen["0"] ?? 0).toBe(0);
    },
    180_000,
  );

  test("a bad version is taken back after it", async () => {
    await using judged = await startJudged();
    const { ten } = judged;
    await ten.ok("deploy", "api:leaks-20", "--canary", "--steps", "50", "--detach");
    ten.kill("SIGKILL");
    await ten.exited;
    await ten.start();
    const { exit, stderr } = await ten.run("rollout", "api", "--wait");
    expect([exit, stderr]).toEqual([9, expect.stringMatching(/rolled back: leaks-20 \d+ % errors/)]);
  });
});

test("a bad version loses its traffic though nothing can be written, and is told as rolled back when it can", async () => {
  await using judged = await startJudged();
  const { ten } = judged;
  await ten.ok("deploy", "api:fails", "--canary", "--steps", "50", "--detach");
  using database = new Database(join(ten.dataDir, "ten.db"));
  database.run("BEGIN IMMEDIATE");
  await until("it has no traffic any more", async () => {
    const { instance } = await ten.get(HOST);
    const next = await Promise.all(Array.from({ length: 10 }, () => ten.get(HOST)));
    return instance === "api:good" && next.every((answer) => answer.instance === "api:good");
  });
  database.run("ROLLBACK");
  const written = async () => {
    const now = await judged.rollout();
    return now.outcome === null ? undefined : now;
  };
  const view = await until("it is written", written, PATIENCE_MS);
  expect([view.outcome, view.text]).toEqual(["rolled_back", expect.stringContaining("fails 100 % errors")]);
  expect(await judged.shares()).toMatchObject({ "api:good": 100, "api:fails": 0 });
});

describe("what cannot be judged is refused, and nothing changes", () => {
  test("with what to write instead", async () => {
    await using judged = await startJudged();
    const { ten } = judged;
    const refused = async (words: readonly string[], exit: number, ...said: string[]) => {
      const done = await ten.run(...words);
      for (const text of said) expect(done.stderr).toContain(text);
      expect([words, done.exit]).toEqual([words, exit]);
    };
    const canary = (...words: string[]) => ["deploy", "api:good-2", "--canary", ...words];
    await refused(canary("--steps", "50,10"), 2, "steps 50,10: they do not rise", "write 10,50");
    await refused(canary("--steps", "0"), 2, "each step is above 0 and below 100 %", "write 5,25,50");
    await refused(canary("--steps", "200"), 2, 'step "200" is not a weight');
    await refused(canary("--steps", "100"), 2, "there is nothing to judge at 100 %");
    await refused(canary("--notice", "0"), 2, '--notice is "0"', "--notice 1%");
    await refused(canary("--every", "0"), 2, '--every is "0"');
    await refused(canary("--max-slower", "0.5x"), 2, '--max-slower is "0.5"');
    await refused(canary("--promote"), 2, "--canary and --promote exclude each other");
    await refused(canary("--weight", "5"), 2, "--canary and --weight exclude each other");
    await refused(["deploy", "api:good-2", "--steps", "5"], 2, "--steps needs --canary");
    for (const words of [
      ["hold", "api"],
      ["promote", "api"],
      ["abort", "api"],
    ])
      await refused(words, 4, "no version of api is being rolled out", "ten deploy api --version V --canary");
    await refused(["rollout", "api"], 3, "no version of api has ever been rolled out");
    await refused(["rollout", "web"], 3, "there is no service web");
    expect(Object.keys(await ten.ps())).toEqual(["api:good"]);

    await ten.ok("deploy", "api:good-2", "--canary", "--detach");
    await refused(canary(), 4, "good-2 is being rolled out already", "ten promote api | ten abort api");
    await ten.ok("abort", "api");
  });

  test("a step in which nothing would be answered", async () => {
    await using ten = await startTen({ toml: judgedToml() });
    await ten.ok("deploy", "api:good");
    await until(
      "a request is noticed",
      async () => {
        await ten.get(HOST);
        return isNoticed(ten);
      },
      PATIENCE_MS,
    );
    const { exit, stderr } = await ten.run("deploy", "api:good-2", "--canary", "--every", "0.1s");
    expect(exit).toBe(2);
    expect(stderr).toMatch(/--every 0.1s: at [\d.]+ requests\/s a step of \d+ % sees no answer in that time/);
    expect(stderr).toMatch(/write --every \d+s or longer, or leave it out/);
    expect(Object.keys(await ten.ps())).toEqual(["api:good"]);
  });

  test("a version with nothing beside it: the first of all gets everything, another is refused", async () => {
    await using ten = await startTen({ toml: judgedToml() });
    const first = await ten.ok("deploy", "api:good", "--canary");
    expect(first.stderr).toContain(
      "nothing of api runs yet: good has nothing to be judged by, and gets everything",
    );
    expect(Object.values(await ten.ps()).map(({ share }) => share)).toEqual([100]);
    const again = await ten.ok("deploy", "api:good", "--canary");
    expect(again.stderr).toContain("nothing to do: good has all traffic of api");
    await ten.ok("weight", "api:good=0", "--force");
    const { exit, stderr } = await ten.run("deploy", "api:good-2", "--canary");
    expect([exit, stderr]).toEqual([
      4,
      expect.stringContaining(
        "nothing else of api takes traffic, so there is nothing to compare good-2 with",
      ),
    ]);
    expect(stderr).toContain("route first: ten route api --to good");
  });

  test("tenement.toml's wishes are its defaults, and a broken one is refused at reload", async () => {
    const wished = judgedToml("[service.api.rollout]\nsteps = [20, 60]\nnotice = 10\nbake = 30\n");
    await using ten = await startTen({ toml: wished });
    await ten.ok("deploy", "api:good");
    const plan = await ten.ok("deploy", "api:good-2", "--canary", "--dry-run");
    expect(plan.stdout).toContain("Plan: 20 %, 60 %, then all;");
    expect(plan.stdout).toContain("it goes on after 25 answers of good-2");
    expect(Object.keys(await ten.ps())).toEqual(["api:good"]);
    writeFileSync(join(ten.dir, "tenement.toml"), wished.replace("[20, 60]", "[60, 20]"));
    const broken = await ten.run("reload");
    expect([broken.exit, broken.stderr]).toEqual([
      2,
      expect.stringContaining("service.api.rollout.steps: steps 60,20: they do not rise; write 20,60"),
    ]);
    // What was in force is.
    const still = await ten.ok("deploy", "api:good-2", "--canary", "--dry-run");
    expect(still.stdout).toContain("Plan: 20 %, 60 %, then all;");
    writeFileSync(join(ten.dir, "tenement.toml"), wished.replace("notice", "notise"));
    expect((await ten.run("reload")).stderr).toContain(
      "service.api.rollout.notise: unknown key, did you mean",
    );
    const flagged = await ten.ok("deploy", "api:good-2", "--canary", "--dry-run", "--steps", "1");
    expect(flagged.stdout).toContain("Plan: 1 %, then all;");
  });
});
