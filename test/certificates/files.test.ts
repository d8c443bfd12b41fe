// Directories of certificates: what is found in them, what is refused, and what is replaced while it serves.
import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { openCertificateFiles } from "../../src/certificates/files.ts";
import { makeAuthority, makeCertificate } from "../support/make-certificate.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createTempDir } from "../support/temp-dir.ts";

const DAY_MS = 86_400_000;
const root = makeAuthority("files root");
const clockStart = Date.UTC(2026, 5, 1);
const made = (names: readonly string[], until = clockStart + 60 * DAY_MS) =>
  makeCertificate(root, { names, from: clockStart - DAY_MS, until });

function open() {
  const temp = createTempDir();
  const clock = createManualClock(clockStart);
  const told: string[] = [];
  let changes = 0;
  const put = (name: string, text: string, mode = 0o600) => {
    mkdirSync(dirname(temp.file(name)), { recursive: true, mode: 0o755 });
    writeFileSync(temp.file(name), text, { mode });
    chmodSync(temp.file(name), mode);
  };
  const start = (paths = [temp.path]) =>
    openCertificateFiles({
      paths,
      clock,
      onProblem: (text) => told.push(text),
      onReplaced: ({ names }) => told.push(`replaced ${names.join()}`),
      onChange: () => changes++,
    });
  return { temp, clock, told, put, start, changes: () => changes };
}

describe("a directory of certificates", () => {
  test("is read: two files, one file, certbot's links, Caddy's tree", () => {
    const { temp, told, put, start } = open();
    using _ = temp;
    const [two, one, certbots, caddys] = [
      made(["two.test"]),
      made(["one.test", "*.one.test"]),
      made(["certbot.test"]),
      made(["caddy.test"]),
    ];
    put("two.crt", two.certificate);
    put("two.key", two.key);
    put("one.pem", one.key + one.certificate);
    put("archive/certbot.test/cert1.txt", certbots.certificate);
    put("archive/certbot.test/key1.txt", certbots.key);
    mkdirSync(temp.file("live/certbot.test"), { recursive: true });
    for (const [name, to] of [
      ["fullchain.pem", "cert1.txt"],
      ["cert.pem", "cert1.txt"],
      ["privkey.pem", "key1.txt"],
    ] as const)
      symlinkSync(`../../archive/certbot.test/${to}`, temp.file(`live/certbot.test/${name}`));
    put("acme/caddy.test/caddy.test.crt", caddys.certificate);
    put("acme/caddy.test/caddy.test.key", caddys.key);
    put("acme/caddy.test/caddy.test.json", "{}");
    using files = start();
    expect(told).toEqual([]);
    expect(
      ["two.test", "one.test", "x.one.test", "certbot.test", "caddy.test"].map(
        (name) => files.find(name)?.names[0],
      ),
    ).toEqual(["two.test", "one.test", "one.test", "certbot.test", "caddy.test"]);
    expect(files.find("a.x.one.test")).toBeUndefined();
    expect(files.fallback()).toBeUndefined();
  });

  test("is replaced as a whole pair: a half-written one changes nothing, and is told of", async () => {
    const { temp, clock, told, put, start, changes } = open();
    using _ = temp;
    const [old, fresh] = [made(["a.test"]), made(["a.test"])];
    put("a.crt", old.certificate);
    put("a.key", old.key);
    using files = start();
    const before = files.find("a.test")?.serial;
    put("a.crt", fresh.certificate);
    await clock.advance(5_000);
    expect(told).toEqual([
      `${temp.file("a.crt")}: the key does not belong to the certificate; the certificate before it, if there was one, stays in force`,
    ]);
    expect(files.find("a.test")?.serial).toBe(before ?? "");
    await clock.advance(60_000);
    expect(told.length).toBe(1);
    expect(files.problems().size).toBe(1);
    put("a.key.new", fresh.key);
    renameSync(temp.file("a.key.new"), temp.file("a.key"));
    await clock.advance(5_000);
    expect(files.find("a.test")?.serial).not.toBe(before ?? "");
    expect(told.at(-1)).toBe("replaced a.test");
    expect(files.problems().size).toBe(0);
    expect(changes()).toBe(2);
  });

  test("whose file goes has its certificate no longer", async () => {
    const { temp, clock, put, start } = open();
    using _ = temp;
    const one = made(["a.test"]);
    put("default.pem", one.certificate + one.key);
    using files = start();
    expect(files.fallback()?.names).toEqual(["a.test"]);
    rmSync(temp.file("default.pem"));
    await clock.advance(5_000);
    expect(files.find("a.test")).toBeUndefined();
    expect(files.fallback()).toBeUndefined();
  });

  test("serves of two for one name the one that ends last", () => {
    const { temp, put, start } = open();
    using _ = temp;
    const [short, long] = [
      made(["a.test"], clockStart + 5 * DAY_MS),
      made(["a.test"], clockStart + 50 * DAY_MS),
    ];
    put("z.pem", short.certificate + short.key);
    put("b.pem", long.certificate + long.key);
    using files = start();
    expect(files.find("a.test")?.life.notAfter).toBe(clockStart + 50 * DAY_MS);
  });

  test("is not taken when others can write to it, or to a file", () => {
    const { temp, told, put, start } = open();
    using _ = temp;
    const one = made(["a.test"]);
    put("open/a.pem", one.certificate + one.key);
    chmodSync(temp.file("open"), 0o777);
    put("b.pem", one.certificate + one.key, 0o666);
    using files = start();
    expect(files.find("a.test")).toBeUndefined();
    expect(told.map((text) => /can be written by other users/.test(text))).toEqual([true, true]);
  });

  test("with an expired, a foreign and a good file serves the good one", () => {
    const { temp, told, put, start } = open();
    using _ = temp;
    const [good, expired] = [made(["good.test"]), made(["old.test"], clockStart - 1000)];
    put("good.pem", good.certificate + good.key);
    put("old.pem", expired.certificate + expired.key);
    put("garbage.crt", "hello");
    put("notes.txt", "hello");
    using files = start();
    expect(files.list().map(({ names }) => names)).toEqual([["good.test"]]);
    expect(told.length).toBe(2);
  });

  test("that is not there is refused at the start", () => {
    const { temp, start } = open();
    using _ = temp;
    expect(() => start([temp.file("none")])).toThrow(/there are no certificates at/);
  });
});
