// `licenses` of both programs: what of other people's work is in the executable.
import { type Command, command } from "./command.ts";
import { notices } from "./notices.ts" with { type: "macro" };
import type { Notice } from "./notices.ts";
import { formatTable } from "./table.ts";

const NOTICES: readonly Notice[] = notices();
const RULE = "-".repeat(78);

const licenses: Command = command({
  name: "licenses",
  summary: "Show the licenses of what is in this program",
  description:
    "ten and slum are one executable under the MIT license; it has other people's work in it: these packages, and Bun, which runs it.",
  examples: [["{program} licenses", "a list, then each text in full"]],
  args: {},
  run({ out }) {
    out.data({ notices: NOTICES }, () => {
      const columns = [{ heading: "PACKAGE" }, { heading: "VERSION" }, { heading: "LICENSE" }];
      const rows = NOTICES.map(({ name, version, license }) => [name, version, license]);
      const texts = NOTICES.map(
        (one) => `${RULE}\n${one.name} ${one.version}\n${RULE}\n\n${one.text.trim()}\n`,
      );
      return [formatTable(columns, rows, out.paint), ...texts].join("\n");
    });
    return 0;
  },
});

export default licenses;
