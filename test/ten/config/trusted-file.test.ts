// A configuration that was found and not named is obeyed when it is ours, or root's.
import { describe, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { Fault } from "../../../src/core/fault.ts";
import { findConfig } from "../../../src/ten/config/config.ts";
import { createTempDir } from "../../support/temp-dir.ts";

const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof Fault) return `${thrown.message}; ${thrown.hint}`;
  }
  return "was not refused";
}

function place() {
  const temp = createTempDir();
  const file = temp.file("tenement.toml");
  const below = temp.file("below");
  writeFileSync(file, "");
  mkdirSync(below);
  return { temp, file, below };
}

test("one that every user may write is refused, and obeyed when it is named", () => {
  const { temp, file, below } = place();
  using _ = temp;
  chmodSync(file, 0o666);
  for (const cwd of [temp.path, below])
    expect(refusal(() => findConfig(cwd, undefined))).toContain(
      `may be written by every user of this machine; chmod o-w ${file}`,
    );
  expect(findConfig(below, file)).toBe(file);
  chmodSync(file, 0o664);
  expect(findConfig(below, undefined)).toBe(file);
});

test("one in a directory above that every user may write is refused", () => {
  const { temp, below } = place();
  using _ = temp;
  chmodSync(temp.path, 0o777);
  expect(refusal(() => findConfig(below, undefined))).toContain("belongs to another user");
  chmodSync(temp.path, 0o1777);
  expect(findConfig(below, undefined)).toBe(temp.file("tenement.toml"));
});

describe.skipIf(!isRoot)("as root (needs root)", () => {
  test("another user's is refused above the working directory, and obeyed where one went on purpose", () => {
    const { temp, file, below } = place();
    using _ = temp;
    chownSync(file, NOBODY, NOBODY);
    expect(refusal(() => findConfig(below, undefined))).toContain(`name it: --config ${file}`);
    expect(findConfig(temp.path, undefined)).toBe(file);
    expect(findConfig(below, file)).toBe(file);
  });

  test("so is what another user links to, or keeps the directory of", () => {
    const { temp, file, below } = place();
    using _ = temp;
    const theirs = `${temp.path}/theirs`;
    mkdirSync(`${theirs}/below`, { recursive: true });
    symlinkSync(file, `${theirs}/tenement.toml`);
    chownSync(theirs, NOBODY, NOBODY);
    expect(refusal(() => findConfig(`${theirs}/below`, undefined))).toContain("belongs to another user");
    expect(findConfig(below, undefined)).toBe(file);
  });
});
