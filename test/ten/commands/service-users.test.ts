// The users that services of an installed unit run as: which, and whether they reach what they are to run.
import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { Fault } from "../../../src/core/fault.ts";
import { prepareUsers } from "../../../src/ten/commands/service-users.ts";
import { parseConfig } from "../../../src/ten/config/config.ts";
import { serviceUser } from "../../../src/ten/config/service-user.ts";
import { createTempDir } from "../../support/temp-dir.ts";

const NOBODY = { uid: 65_534, gid: 65_534 };
const root = process.platform === "linux" && process.getuid?.() === 0;

const parse = (toml: string, directory = "/srv", serviceUsers = true) =>
  parseConfig(toml, `${directory}/tenement.toml`, { serviceUsers });

test("each service gets a user of its own, where none is written and it is asked for", () => {
  const toml = '[service.api]\ncommand = "x"\n[service.web]\ncommand = "x"\nuser = "root"';
  const users = (config: ReturnType<typeof parse>) =>
    [...config.services.values()].map(({ limits, release }) => [limits.user, release.user]);
  expect(users(parse(toml))).toEqual([
    ["ten-api", "ten-api"],
    ["root", "root"],
  ]);
  expect(users(parse(toml, "/srv", false))).toEqual([
    [undefined, undefined],
    ["root", "root"],
  ]);
});

test("a long name is cut to what a system takes, and two of them stay apart", () => {
  const [a, b] = ["a", "b"].map((end) => serviceUser(`${"long-".repeat(7)}${end}`));
  expect([a?.length, a === b]).toEqual([32, false]);
});

describe.skipIf(!root)("install", () => {
  test("adds who is missing, and names the directory that is in the way, with what to do", async () => {
    using dir = createTempDir();
    const app = dir.file("app");
    mkdirSync(`${app}/bin`, { recursive: true });
    writeFileSync(`${app}/bin/server`, "#!/bin/sh\n", { mode: 0o755 });
    chmodSync(dir.path, 0o755);
    chmodSync(app, 0o700);
    const config = parse(
      '[service.api]\ncommand = "./bin/server"\n[service.own]\ncommand = "x"\nuser = "root"',
      app,
    );
    const added: string[] = [];
    const users = {
      find: (user: string) => (added.includes(user) ? NOBODY : undefined),
      add: async (user: string) => void added.push(user),
    };
    const fault = await prepareUsers(config, users).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(added).toEqual(["ten-api"]);
    if (!(fault instanceof Fault)) throw new Error("it was not refused");
    expect(fault.message).toBe(`api would run as ten-api, who cannot reach "${app}"`);
    expect(fault.hint).toContain(`chmod o+x ${app}`);
    chmodSync(app, 0o711);
    await prepareUsers(config, users);
    expect(added).toEqual(["ten-api"]);
  });
});
