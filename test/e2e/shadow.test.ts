// Shadow traffic as an operator sees it: copies to a version without traffic, told by kind of path; and a rollout that begins with them.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/until.ts";
import { judgedToml } from "./judged.ts";
import { startTen, type Ten } from "./ten.ts";

setDefaultTimeout(180_000);

const PATIENCE_MS = 60_000;
const HOST = "api.localhost";

interface Report {
  readonly copies: number;
  readonly differing: number;
  readonly ended_at: string | null;
  readonly text: string;
  readonly odds: number;
  readonly failed: { readonly canary: number; readonly stable: number };
  readonly patterns: readonly {
    readonly pattern: string;
    readonly differing: number;
    readonly differences: readonly { readonly difference: string; readonly count: number }[];
  }[];
}

interface Copies {
  readonly all: number;
  readonly withCookie: number;
  readonly withAuthorization: number;
}

const report = (ten: Ten) => ten.json<Report>("shadow", "api", "--report");
const WHO = { cookie: "session=1", authorization: "Basic eDp5" };

async function ask(ten: Ten, times: number): Promise<void> {
  for (let n = 0; n < times; n++) {
    const { status } = await ten.get(HOST, n % 2 === 0 ? `/orders/${n}` : "/", { headers: WHO });
    expect(status).toBe(200);
  }
}

/** Asks until so many copies have been answered. */
async function askUntil(ten: Ten, count: number): Promise<Report> {
  const found = await until(
    `${count} copies`,
    async () => {
      await ask(ten, 10);
      const told = await report(ten);
      return told.copies >= count ? told : undefined;
    },
    PATIENCE_MS,
  );
  return found;
}

async function copiesTo(ten: Ten, id: string): Promise<Copies> {
  return JSON.parse((await ten.get(`${id}.${HOST}`, "/copies")).body);
}

describe("copies of requests", () => {
  for (const workers of [1, 2])
    test(`show what a version without traffic would answer, with ${workers} ${workers === 1 ? "worker" : "workers"}`, async () => {
      await using ten = await startTen({ toml: judgedToml("", `workers = ${workers}`) });
      await ten.ok("deploy", "api:good");
      await ten.ok("deploy", "api:strings");
      const begun = await ten.ok("shadow", "api", "--to", "strings", "--sample", "100%");
      expect(begun.stdout).toContain("100 % of GET and HEAD are copied to strings and good");
      expect(begun.stderr).toContain("ten shadow api off");
      const told = await askUntil(ten, 40);
      expect(told.patterns[0]).toMatchObject({
        pattern: "GET /orders/:id",
        differences: [{ difference: ".total: number -> string", count: expect.any(Number) }],
      });
      expect(told.patterns.find(({ pattern }) => pattern === "GET /")?.differing).toBe(0);
      expect([told.failed, told.ended_at]).toEqual([{ canary: 0, stable: 0 }, null]);
      for (const id of ["good", "strings"]) {
        const copies = await copiesTo(ten, id);
        expect(copies).toEqual({ all: expect.any(Number), withCookie: 0, withAuthorization: 0 });
        expect(copies.all).toBeGreaterThanOrEqual(40);
      }
      // Visitors are all on the old version, and metrics count only them.
      expect((await ten.ps())["api:strings"]).toMatchObject({ share: 0, errors: 0 });

      // It goes on after a restart: with what was counted when it ended in good order, else with what was written last.
      for (const signal of ["SIGTERM", "SIGKILL"] as const) {
        const before = (await report(ten)).copies;
        ten.kill(signal);
        await ten.exited;
        await ten.start();
        const after = await report(ten);
        expect(after.ended_at).toBeNull();
        if (signal === "SIGTERM") expect(after.copies).toBeGreaterThanOrEqual(before);
        await askUntil(ten, after.copies + 10);
      }

      const text = (await ten.ok("shadow", "api")).stdout;
      expect(text).toContain("api: strings beside good, 100 % of GET and HEAD are copied");
      expect(text).toMatch(
        /strings differs from good in \d+ of \d+ copies: GET \/orders\/:id \(.total: number -> string\)/,
      );
      expect(text).toMatch(/\n +\d+ {2}\.total: number -> string\n/);
      expect(text).not.toContain("GET /   ");
      expect((await ten.ok("shadow", "api", "off")).stdout).toContain(
        "no requests of api are copied any more",
      );
      expect((await ten.ok("shadow", "api", "off")).stdout).toContain("nothing to do");
      const before = (await copiesTo(ten, "strings")).all;
      await ask(ten, 10);
      expect((await copiesTo(ten, "strings")).all).toBe(before);
      expect((await report(ten)).ended_at).not.toBeNull();
    });

  test("have their cookies where that is said, and are refused with what to write", async () => {
    await using ten = await startTen({ toml: judgedToml("shadow_cookies = true") });
    const refused = async (words: readonly string[], exit: number, ...said: string[]) => {
      const done = await ten.run(...words);
      for (const text of said) expect(done.stderr).toContain(text);
      expect([words, done.exit]).toEqual([words, exit]);
    };
    await refused(["shadow", "web"], 3, "there is no service web");
    await ten.ok("deploy", "api:good");
    await refused(
      ["shadow", "api"],
      3,
      "no requests of api have been copied",
      "begin: ten shadow api --to V",
    );
    await refused(
      ["shadow", "api", "--to", "v9"],
      3,
      "no instance of api runs version v9",
      "ten deploy api --version v9",
    );
    await refused(["shadow", "api", "--to", "good"], 4, "no other version of api takes traffic");
    await refused(
      ["shadow", "api", "--to", "good", "--sample", "0"],
      2,
      '--sample is "0"',
      "from 0.01% to 100%",
    );
    await refused(["shadow", "api", "--to", "good", "--sample", "101%"], 2, '--sample is "101%"');
    await refused(["shadow", "api", "--sample", "5%"], 2, "--sample needs --to");
    await refused(["shadow", "api", "off", "--to", "good"], 2, "off goes with none of the others");
    await refused(["shadow", "api", "of"], 2);
    await ten.ok("deploy", "api:fails");
    await ten.ok("shadow", "api", "--to", "fails", "--sample", "100");
    const told = await askUntil(ten, 30);
    expect(told.text).toContain("fails differs from good in");
    expect(told.text).toMatch(/fails alone failed \d+, good alone 0: (over )?[\d,]+ to 1/);
    expect(told.odds).toBeGreaterThan(10);
    expect(await copiesTo(ten, "fails")).toMatchObject({ withCookie: expect.any(Number) });
    expect((await copiesTo(ten, "fails")).withCookie).toBeGreaterThan(0);
    writeFileSync(join(ten.dir, "tenement.toml"), judgedToml('shadow_cookies = "yes"'));
    await refused(["reload"], 2, "service.api.shadow_cookies: expected true or false");
    writeFileSync(join(ten.dir, "tenement.toml"), judgedToml("[service.api.rollout]\nshadow_first = 3\n"));
    await refused(
      ["reload"],
      2,
      "service.api.rollout.shadow_first: expected a number of copies from 20 to 100000",
    );
  });
});

describe("a rollout that begins with copies", () => {
  const FLAGS = [
    "--canary",
    "--shadow-first",
    "30",
    "--steps",
    "50",
    "--every",
    "1s",
    "--notice",
    "20%",
    "--bake",
    "0",
  ];
  const NOT_BY_TIMES = ["--max-slower", "100x", "--detach"];

  async function end(ten: Ten): Promise<{ outcome: string; text: string; harm: unknown }> {
    return until(
      "it is over",
      async () => {
        await ask(ten, 10);
        const view = await ten.json<{ outcome: string | null; text: string; harm: unknown }>(
          "rollout",
          "api",
        );
        return view.outcome === null ? undefined : { ...view, outcome: view.outcome };
      },
      PATIENCE_MS,
    );
  }

  test("takes back one that fails before any visitor was on it, and goes on with one that does not", async () => {
    await using ten = await startTen({ toml: judgedToml("", "workers = 2") });
    await ten.ok("deploy", "api:good");
    const plan = await ten.ok("deploy", "api:fails", ...FLAGS, "--dry-run");
    expect(plan.stdout).toContain("Plan: 30 copies, 50 %, then all;");
    expect(plan.stdout).toContain("after 14 copies that only it fails: no visitor sees it");
    await ten.ok("deploy", "api:fails", ...FLAGS, ...NOT_BY_TIMES);
    const shown = await ten.ok("rollout", "api");
    expect(shown.stdout).toContain("[30 copies]   50 %   100 %");
    expect((await ten.run("shadow", "api", "--to", "fails")).stderr).toContain("begins with copies");
    const bad = await end(ten);
    expect([bad.outcome, bad.harm]).toEqual(["rolled_back", { seen: 0, rescued: 0 }]);
    expect(bad.text).toMatch(/^rolled back: fails .* at 0 % \(copies only\): (over )?[\d,]+ to 1/);
    expect((await report(ten)).text).toContain("fails differs from good");

    await ten.ok("deploy", "api:good-2", ...FLAGS, ...NOT_BY_TIMES);
    const good = await end(ten);
    expect(good.outcome).toBe("promoted");
    const events = await ten.json<{ events: { kind: string; detail: string }[] }>(
      "events",
      "--service",
      "api",
    );
    const advanced = events.events
      .filter(({ kind }) => kind === "rollout.advanced")
      .map(({ detail }) => detail);
    expect(advanced[0]).toMatch(/^shadow -> 50 %: good-2 0 errors in \d+, good 0 in \d+ copies$/);
    expect((await report(ten)).ended_at).not.toBeNull();
  });
});
