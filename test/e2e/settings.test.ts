// What [settings] say of the server itself: flags go before them, and commands need none of them again.
import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { freePort } from "../support/free-port.ts";
import { until } from "../support/until.ts";
import { startTen, tomlFor } from "./ten.ts";

const withSettings = (lines: string) => tomlFor("bun").replace("[settings]", `[settings]\n${lines}`);

test("host, port and domain of the file are what it serves, and flags win", async () => {
  const [port, other] = [await freePort(), await freePort()];
  const toml = withSettings(`host = "127.0.0.1"\nport = ${port}\ndomain = "shop.test"`);
  // The helper says --port: the flag wins over the file.
  await using ten = await startTen({ toml, port: other });
  expect(ten.port).toBe(other);
  await ten.ok("deploy", "api:v1");
  expect((await ten.get("api.shop.test")).status).toBe(200);
  expect((await ten.get("api.localhost")).status).toBe(404);
  ten.kill("SIGTERM");
  await ten.exited;
  const alone = ten.begin("serve");
  await alone.said("dashboard  http");
  expect(alone.output()).toContain(`serving http://127.0.0.1:${port}/`);
  expect(alone.output()).toContain(`services   http://api.shop.test:${port}`);
  expect((await ten.ok("caddy")).stdout).toContain("api.shop.test");
  alone.kill("SIGTERM");
  await alone.done;
  const flagged = ten.begin("serve", "--domain", "flag.test", "--host", "127.0.0.1", "--port", String(other));
  await flagged.said("dashboard  http");
  expect(flagged.output()).toContain(`services   http://api.flag.test:${other}`);
  flagged.kill("SIGTERM");
  await flagged.done;
  // Without a server the file says it.
  expect((await ten.ok("caddy")).stdout).toContain("api.shop.test");
});

test("a reload says that they are taken at the next start, and a domain that is the server's own is refused", async () => {
  await using ten = await startTen();
  writeFileSync(`${ten.dir}/tenement.toml`, withSettings('domain = "shop.test"\nport = 9'));
  const { later } = await ten.json<{ later: string[] }>("reload");
  expect(later.sort()).toEqual(["settings.domain", "settings.port"]);
  writeFileSync(
    `${ten.dir}/tenement.toml`,
    withSettings('domain = "shop.test"').replace("[service.api]", '[service.api]\ndomains = ["x.shop.test"]'),
  );
  expect((await ten.run("config")).stderr).toContain("is the server's own");
});

test("a data directory of one's own that is open to others is closed, with a word", async () => {
  await using ten = await startTen({
    prepare: (dir) => {
      const data = `${dir}/tenement-data`;
      mkdirSync(data, { recursive: true });
      chmodSync(data, 0o755);
    },
  });
  await until("it says so", async () => (await ten.log()).includes("was open to other users (mode 755)"));
  expect(statSync(ten.dataDir).mode & 0o777).toBe(0o700);
});

test("values of an environment are in no log, no event and no answer of the API, before and after a change", async () => {
  const withSecret = (secret: string) => tomlFor("bun", `env = { API_KEY = "${secret}" }`);
  await using ten = await startTen({ toml: withSecret("hunter-one") });
  await ten.ok("deploy", "api:v1");
  writeFileSync(`${ten.dir}/tenement.toml`, withSecret("hunter-two"));
  ten.kill("SIGHUP");
  await until("it was read", async () => (await ten.log()).includes("service.api.env.API_KEY"));
  const { stdout: token } = await ten.ok("token", "create", "ci", "--scope", "admin", "--json");
  const asked = await ten.get("localhost", "/api/config", {
    headers: { Authorization: `Bearer ${(JSON.parse(token) as { token: string }).token}` },
  });
  expect(asked.body).toContain("API_KEY");
  writeFileSync(`${ten.dir}/tenement.toml`, withSecret("hunter-three"));
  const said = [
    await ten.log(),
    asked.body,
    (await ten.ok("reload")).stdout,
    (await ten.ok("events", "--json")).stdout,
    (await ten.ok("ps", "--all", "--json")).stdout,
  ];
  expect(said.join("\n")).not.toMatch(/hunter-(one|two|three)/);
});
