// Variables in a file that systemd reads, beside what others have written there.
import { expect, test } from "bun:test";
import { withVariables } from "../../src/core/environment-file.ts";

test("a variable replaces its own line, and everything else stays", () => {
  const before = "# by hand\nA=1\nSLUM_DB=old\n\nB='two'\n";
  expect(withVariables(before, { SLUM_DB: "new", C: "3" })).toBe(
    `# by hand\nA=1\nSLUM_DB="new"\n\nB='two'\nC="3"\n`,
  );
  expect(withVariables(withVariables(before, { SLUM_DB: "new" }), { SLUM_DB: "new" })).toBe(
    withVariables(before, { SLUM_DB: "new" }),
  );
});

test("values are quoted, whatever is in them", () => {
  expect(withVariables("", { A: 'p"w\\$x`y z' })).toBe('A="p\\"w\\\\\\$x\\`y z"\n');
  expect(withVariables("", {})).toBe("");
});
