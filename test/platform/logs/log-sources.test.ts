// Where a log is read when what was on the way to it has become something else.
import { expect, test } from "bun:test";
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { LogSources } from "../../../src/platform/logs/log-sources.ts";
import { readProcess } from "../../../src/platform/process/proc.ts";
import { createTempDir } from "../../support/temp-dir.ts";

test.skipIf(process.platform !== "linux")(
  "a directory on the way that is a file now is as a log that was moved",
  () => {
    using directory = createTempDir();
    const logs = directory.file("logs");
    mkdirSync(logs);
    const path = `${logs}/stdout.log`;
    const descriptor = openSync(path, "a");
    writeFileSync(path, "a line\n");
    const writer = { pid: process.pid, startTime: readProcess(process.pid)?.startTime ?? "", descriptor };
    const sources = new LogSources();
    expect(sources.look(path, writer)).toBe(false);
    renameSync(logs, `${logs}.away`);
    writeFileSync(logs, "in the way");
    expect(sources.look(path, writer)).toBe(true);
    expect(readFileSync(sources.of(path), "utf8")).toBe("a line\n");
    closeSync(descriptor);
    // Nobody writes it, and it cannot be looked at.
    expect(sources.look(path, writer)).toBe(false);
  },
);
