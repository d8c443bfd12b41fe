// Whose work is in the executable and on what terms; a macro, so that it is read while that is built and embedded as text.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Notice {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  /** In full. */
  readonly text: string;
}

/** Of packages that bring no text of their own. */
const TEXTS: Readonly<Record<string, string>> = { "Apache-2.0": "Apache-2.0.txt" };

/** All that `package.json` names as a dependency, then the runtime with what it links. Throws, and ends the build, when a text is missing. */
export function notices(): Notice[] {
  const root = join(import.meta.dir, "../..");
  const text = (path: string) => readFileSync(join(root, path), "utf8");
  const names = Object.keys(JSON.parse(text("package.json")).dependencies).sort();
  const packages = names.map((name) => {
    const directory = join("node_modules", name);
    const { version, license } = JSON.parse(text(join(directory, "package.json")));
    const own = readdirSync(join(root, directory)).find((file) => /^licen[cs]e/i.test(file));
    const usual = TEXTS[license] && join("licenses", TEXTS[license]);
    const found = own === undefined ? usual : join(directory, own);
    if (found === undefined || !existsSync(join(root, found))) throw new Error(`${name} has no license text`);
    return { name, version, license, text: text(found) };
  });
  const bun = text("node_modules/bun-types/docs/project/license.mdx").replace(/^---.*?---\s*/s, "");
  const texts = ["LGPL-2.0.txt", "LGPL-2.1.txt", "Apache-2.0.txt"].map((file) => text(`licenses/${file}`));
  return [
    ...packages,
    { name: "bun", version: Bun.version, license: "MIT and others", text: [bun, ...texts].join("\n\n") },
  ];
}
