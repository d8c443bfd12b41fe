// Secrets at rest: readable with their key and for what they belong to, and not otherwise.
import { expect, test } from "bun:test";
import { existsSync, statSync } from "node:fs";
import { isSealed, openSecretBox } from "../../../src/platform/storage/secret-box.ts";
import { createTempDir } from "../../support/temp-dir.ts";

test("a secret is opened with the key that sealed it, also by the next process", () => {
  using temp = createTempDir();
  const path = temp.file("key");
  const sealed = openSecretBox(path).seal("whsec_geheim", "ops");
  expect([isSealed(sealed), sealed.includes("geheim"), statSync(path).mode & 0o777]).toEqual([
    true,
    false,
    0o600,
  ]);
  expect(openSecretBox(path).open(sealed, "ops")).toBe("whsec_geheim");
});

test("each time it is another text, so that nobody sees which secrets are the same", () => {
  using temp = createTempDir();
  const box = openSecretBox(temp.file("key"));
  expect(box.seal("same", "ops")).not.toBe(box.seal("same", "ops"));
});

test("with another key, for something else, changed or cut off it is not opened", () => {
  using temp = createTempDir();
  const box = openSecretBox(temp.file("key"));
  const other = openSecretBox(temp.file("other"));
  other.seal("x", "ops");
  const sealed = box.seal("whsec_geheim", "ops");
  const changed = `${sealed.slice(0, -6)}AAAAA=`;
  const opened = [
    other.open(sealed, "ops"),
    box.open(sealed, "pager"),
    box.open(changed, "ops"),
    box.open(sealed.slice(0, 40), "ops"),
    box.open("enc1:", "ops"),
  ];
  expect(opened).toEqual([undefined, undefined, undefined, undefined, undefined]);
});

test("a key is made to seal with, and not to open with", async () => {
  using temp = createTempDir();
  const sealed = openSecretBox(temp.file("key")).seal("x", "ops");
  const missing = temp.file("missing");
  expect(openSecretBox(missing).open(sealed, "ops")).toBeUndefined();
  expect(existsSync(missing)).toBe(false);
  await Bun.write(missing, "no key\n");
  expect(() => openSecretBox(missing).open(sealed, "ops")).toThrow("is not a key");
});
