// `bun run bench:supervision`: what a hundred instances cost their supervisor, and how soon one is back, in about two minutes.
import { figureTable } from "./figure.ts";
import { measureHundred } from "./hundred.ts";
import { measureRecovery } from "./recovery.ts";

if (process.platform !== "linux") process.stdout.write("skipped: it reads /proc, which only Linux has\n");
else process.stdout.write(figureTable([...(await measureRecovery()), ...(await measureHundred())]));
