// Archives of builds: packed and unpacked whole, and bad ones refused by name with nothing left.
import { beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createTarPacker, packTar, type TarEntry } from "modern-tar";
import { Fault } from "../../../src/core/fault.ts";
import { surveyDirectory, surveyFile } from "../../../src/platform/archive/pack.ts";
import { readArchive } from "../../../src/platform/archive/read-archive.ts";
import { unpack } from "../../../src/platform/archive/unpack.ts";
import { createTempDir, type TempDir } from "../../support/temp-dir.ts";

const MB = 1_048_576;
const limits = { maxBytes: 64 * MB, maxEntries: 1_000 };

const streamOf = (bytes: Uint8Array) => new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
const file = (name: string, body = "x", more: object = {}): TarEntry => ({
  header: { name, size: Buffer.byteLength(body), type: "file", ...more },
  body,
});
const link = (name: string, linkname: string, type: "symlink" | "link" = "symlink"): TarEntry => ({
  header: { name, size: 0, type, linkname },
});
const tarOf = async (...entries: TarEntry[]) => streamOf(await packTar(entries));

let temp: TempDir;
beforeEach(() => {
  temp = createTempDir();
  return () => temp[Symbol.dispose]();
});

async function refusal(stream: ReadableStream<Uint8Array>, within = limits): Promise<string> {
  const thrown = await unpack(stream, temp.file("out"), { limits: within }).catch((error: unknown) => error);
  if (!(thrown instanceof Fault)) throw thrown;
  expect(thrown.code).toBe("usage");
  return thrown.message;
}

describe("a directory", () => {
  function build(): string {
    const from = temp.file("build");
    mkdirSync(join(from, "bin"), { recursive: true });
    mkdirSync(join(from, "empty"));
    mkdirSync(join(from, ".git"));
    mkdirSync(join(from, "logs"));
    writeFileSync(join(from, ".git/HEAD"), "never");
    writeFileSync(join(from, "logs/a.log"), "no");
    writeFileSync(join(from, "logs/keep.log"), "yes");
    writeFileSync(join(from, ".tenignore"), "*.log\n!keep.log\n");
    writeFileSync(join(from, "bin/server"), "#!/bin/sh\n", { mode: 0o755 });
    writeFileSync(join(from, "secret"), "s", { mode: 0o600 });
    writeFileSync(join(from, "héllo wörld"), "ü".repeat(100_000));
    linkSync(join(from, "secret"), join(from, "twin"));
    symlinkSync("bin/server", join(from, "run"));
    utimesSync(join(from, "secret"), 1_000_000, 1_000_000);
    return from;
  }

  test("arrives as it was, without .git and what .tenignore names", async () => {
    const packed = await surveyDirectory(build(), limits);
    let read = 0;
    const content = await unpack(
      packed.pack((bytes) => {
        read += bytes;
      }),
      temp.file("out"),
      { limits },
    );
    expect(content).toEqual({ digest: packed.digest, bytes: packed.bytes, entries: packed.entries });
    expect(read).toBe(packed.bytes);
    const found = readdirSync(temp.file("out"), { recursive: true }).map(String).sort();
    expect(found).toEqual(
      ["bin", "bin/server", "empty", "héllo wörld", "logs", "logs/keep.log", "run", "secret", "twin"].sort(),
    );
    expect(readFileSync(temp.file("out/héllo wörld"), "utf8")).toBe("ü".repeat(100_000));
    expect(statSync(temp.file("out/bin/server")).mode & 0o777).toBe(0o755);
    expect(statSync(temp.file("out/secret")).mode & 0o777).toBe(0o600);
    expect(statSync(temp.file("out/secret")).mtimeMs).toBe(1_000_000_000);
    expect(readlinkSync(temp.file("out/run"))).toBe("bin/server");
    expect(statSync(temp.file("out")).mode & 0o777).toBe(0o700);
  });

  test("has the same digest whatever its times, its packing and its order", async () => {
    const from = build();
    const { digest } = await surveyDirectory(from, limits);
    utimesSync(join(from, "secret"), 5, 5);
    expect((await surveyDirectory(from, limits)).digest).toBe(digest);
    for (const flags of ["-cf", "-czf", "--zstd -cf"]) {
      const archive = temp.file(`build.tar${flags.length}`);
      const words = [
        ...flags.split(" "),
        archive,
        "--exclude=.git",
        "--exclude=a.log",
        "--exclude=.tenignore",
      ];
      if (Bun.spawnSync(["tar", ...words, "-C", from, "."]).exitCode !== 0) continue;
      expect((await readArchive(Bun.file(archive).stream(), limits)).digest).toBe(digest);
    }
    chmodSync(join(from, "secret"), 0o700);
    expect((await surveyDirectory(from, limits)).digest).not.toBe(digest);
  });

  test("with nothing in it is no build", async () => {
    mkdirSync(temp.file("none"));
    expect(surveyDirectory(temp.file("none"), limits)).rejects.toThrow("there is nothing in");
    expect(surveyDirectory(temp.file("nowhere"), limits)).rejects.toThrow("cannot be read");
  });

  test("that changes while it is packed says so", async () => {
    const from = build();
    const packed = await surveyDirectory(from, limits);
    writeFileSync(join(from, "secret"), "longer than it was");
    expect(
      unpack(
        packed.pack(() => {}),
        temp.file("out"),
        { limits },
      ),
    ).rejects.toThrow("was changed while it was shipped");
  });

  test("with a pipe or a setuid program in it is refused before anything is sent", async () => {
    const from = build();
    chmodSync(join(from, "bin/server"), 0o4755);
    expect(surveyDirectory(from, limits)).rejects.toThrow('"bin/server" has a setuid or setgid bit');
    chmodSync(join(from, "bin/server"), 0o755);
    expect(Bun.spawnSync(["mkfifo", join(from, "pipe")]).exitCode).toBe(0);
    expect(surveyDirectory(from, limits)).rejects.toThrow('"pipe" is a device, pipe or socket');
  });
});

test("a single program is a build of its own, and may be executed", async () => {
  writeFileSync(temp.file("server"), "\x7fELF and more", { mode: 0o644 });
  const packed = await surveyFile(temp.file("server"), limits);
  await unpack(
    packed.pack(() => {}),
    temp.file("out"),
    { limits },
  );
  expect(lstatSync(temp.file("out/server")).mode & 0o777).toBe(0o755);
});

describe("an archive is refused by name", () => {
  const bad: [what: string, entries: TarEntry[], says: string][] = [
    ["a way up", [file("../x")], '"../x" leads out of it'],
    ["a way up in the middle", [file("a/../../x")], '"a/../../x" leads out of it'],
    ["an absolute path", [file("/etc/passwd")], '"/etc/passwd" is an absolute path'],
    ["a link out", [link("up", "../../etc")], 'the link "up" leads out of it, to "../../etc"'],
    ["an absolute link", [link("up", "/etc/passwd")], 'the link "up" leads out of it, to "/etc/passwd"'],
    [
      "a link out by way of another",
      [
        { header: { name: "d/", size: 0, type: "directory" } },
        link("d/root", ".."),
        link("up", "d/root/../x"),
      ],
      'the link "up" leads out of it',
    ],
    ["something below a link", [link("d", "."), file("d/x")], '"d/x" lies below "d", which is no directory'],
    ["something below a file", [file("d"), file("d/x")], '"d/x" lies below "d", which is no directory'],
    ["a hard link out", [link("h", "../x", "link")], '"../x" leads out of it'],
    [
      "a hard link to nothing",
      [link("h", "x", "link")],
      '"h" is a hard link to "x", which is no file before it',
    ],
    ["a device", [{ header: { name: "null", size: 0, type: "character-device" } }], '"null" is a device'],
    ["a pipe", [{ header: { name: "p", size: 0, type: "fifo" } }], '"p" is a named pipe'],
    ["a setuid bit", [file("su", "x", { mode: 0o4755 })], '"su" has a setuid or setgid bit'],
    ["a setgid bit", [file("sg", "x", { mode: 0o2755 })], '"sg" has a setuid or setgid bit'],
    ["a name of 300 bytes", [file("n".repeat(300))], "a name in it has 300 bytes, at most 255 are possible"],
    ["a path of 3,000 bytes", [file("abcdefghi/".repeat(300))], "has more than 2048 bytes"],
    [
      "two names that differ in case",
      [file("Readme"), file("README")],
      '"Readme" and "README" differ in case only',
    ],
    ["directories that differ in case", [file("a/x"), file("A/y")], '"a" and "A" differ in case only'],
    ["one name twice", [file("a"), file("./a")], '"a" is in it twice'],
    ["a name with a line end", [file("a\nb")], "has control characters"],
  ];
  test.each(bad)("%s", async (_, entries, says) => {
    expect(await refusal(await tarOf(file("first"), ...entries))).toContain(says);
  });

  test("too many entries", async () => {
    const entries = Array.from({ length: 1_001 }, (_, index) => file(`f${index}`));
    expect(await refusal(await tarOf(...entries))).toBe(
      "the archive is refused: it has more than 1,000 entries",
    );
  });

  test("too many directories that nobody named", async () => {
    const entries = Array.from({ length: 600 }, (_, index) => file(`d${index}/f`));
    expect(await refusal(await tarOf(...entries))).toContain("more than 1,000 entries");
  });

  test("a file that says to be larger than is allowed, before a byte of it is read", async () => {
    const { readable, controller } = createTarPacker();
    void controller.add({ name: "zeros", size: 10 * 1024 * MB, type: "file" });
    expect(await refusal(readable)).toContain('more than 64 MB unpacked, at "zeros"');
  });

  test("a bomb: gigabytes of zeros in a few megabytes", async () => {
    const zeros = new Uint8Array(MB);
    let left = 10 * 1024;
    const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        if (left-- > 0) controller.enqueue(zeros);
        else controller.close();
      },
    });
    const bomb = endless.pipeThrough(new CompressionStream("gzip"));
    expect(await refusal(bomb)).toContain("more than 64 MB unpacked");
    expect(left).toBeGreaterThan(9 * 1024);
  });

  test.each(["none", "gzip", "zstd"] as const)("one that ends in the middle (%s)", async (format) => {
    const tar = await tarOf(file("a", "y".repeat(100_000)), file("b", "z".repeat(100_000)));
    const packed = format === "none" ? tar : tar.pipeThrough(new CompressionStream(format));
    const whole = await new Response(packed as ReadableStream<Uint8Array<ArrayBuffer>>).bytes();
    for (const part of [0.3, 0.9])
      expect(await refusalOf(whole.subarray(0, Math.floor(whole.length * part)))).toMatch(
        /ends in the middle|is damaged/,
      );
  });

  async function refusalOf(bytes: Uint8Array): Promise<string> {
    using other = createTempDir();
    const thrown = await unpack(streamOf(bytes), other.file("out"), { limits }).catch(
      (error: unknown) => error,
    );
    return (thrown as Fault).message;
  }

  test.each([
    ["nothing at all", "", "it is empty"],
    ["a zip", "PK\x03\x04 and so on", "it is packed by zip"],
    ["an xz", "\xfd7zXZ\x00", "it is packed by xz"],
    ["something else", "hello world", "it is no tar archive"],
  ])("%s", async (_, text, says) => {
    expect(await refusal(streamOf(Buffer.from(text, "latin1")))).toContain(says);
  });

  test("one of an empty directory", async () => {
    const itself = { header: { name: "./", type: "directory", size: 0 } } as const;
    expect(await refusal(await tarOf(itself))).toContain("there is nothing in it");
  });

  test("one that is damaged", async () => {
    const bytes = new Uint8Array(await new Response(await tarOf(file("a"), file("b"))).arrayBuffer());
    bytes[1030] = 77;
    expect(await refusal(streamOf(bytes))).toContain("is damaged");
  });
});

test("what its source breaks off with is what is told", async () => {
  const broken = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(new Uint8Array(await packTar([file("a", "y".repeat(10_000))])).subarray(0, 3_000));
      controller.error(new Fault("stopped_waiting", "the client has gone"));
    },
  });
  expect(unpack(broken, temp.file("out"), { limits })).rejects.toThrow("the client has gone");
  expect(existsSync(temp.file("nothing"))).toBe(false);
});
