// Where an app listens: each start that goes wrong is explained, not only a deploy's, and who is open to everybody is told.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { portHolder } from "../../src/platform/net/listening-ports.ts";
import { lacks } from "../support/installed.ts";
import { until } from "../support/until.ts";
import { startTen, type Ten, untilState } from "./ten.ts";

const HOST = "api.localhost";

/** Listens where `where` says, an expression of JavaScript. */
const app = (where: string) =>
  `Bun.serve({ ...${where}, fetch: () => new Response("here") }); setInterval(() => {}, 1000);`;

function start(
  where: string,
  { service = "", prefix = "", instances = true, startupSecs = 2 } = {},
): Promise<Ten> {
  const program = JSON.stringify(`${prefix}'${process.execPath}' app.js`);
  return startTen({
    toml: `[settings]\nhealth_check_interval = 0.5
[service.api]\ncommand = ${program}\nhealth = "/"\nstartup_timeout = ${startupSecs}\nstop_grace_period_secs = 2\n${service}
${instances ? '[instances]\napi = ["v1"]' : ""}`,
    prepare: (dir) => void Bun.write(`${dir}/app.js`, app(where)),
  });
}

interface Failure {
  readonly error: {
    readonly message: string;
    readonly hint: string;
    readonly details: Record<string, unknown>;
  };
}

describe("an instance that is started with the server and listens elsewhere", () => {
  test("is explained on stderr, in ps --all, in health and in --json", async () => {
    await using ten = await start('{ hostname: "127.0.0.1", port: 0 }');
    await untilState(ten, "api:v1", "unhealthy");
    const { "api:v1": row } = await ten.ps();
    expect(row?.reason).toMatch(
      new RegExp(
        `connection refused; it listens on the wrong port: on \\d+, not on its PORT ${row?.port}: listen on`,
      ),
    );
    expect((await ten.ok("ps", "--all")).stdout).toContain(`not on its PORT ${row?.port}`);
    const health = await ten.run("health", "api:v1");
    expect([health.exit, health.stdout.includes("listens on the wrong port")]).toEqual([5, true]);
    await until("stderr says so", async () => (await ten.log()).includes("listens on the wrong port"));
  });

  test("at another address has both named, and a service may say which it is", async () => {
    await using ten = await start('{ hostname: "127.0.0.2", port: process.env.PORT }', { instances: false });
    const { error } = await ten.json<Failure>("deploy", "api:v1");
    const { port } = error.details;
    expect(error.message).toContain(`listens on 127.0.0.2:${port}, and is asked at 127.0.0.1:${port}`);
    expect(error.details).toMatchObject({
      cause: "wrong_address",
      addresses: [`127.0.0.2:${port}`],
      asked: `127.0.0.1:${port}`,
    });
    expect(error.hint).toContain('address = "::1"');
  });
});

test.each([
  ["::1", "{ hostname: process.env.HOST, port: process.env.PORT }"],
  ["127.0.0.2", '{ hostname: "127.0.0.2", port: process.env.PORT }'],
])("with address = %s it is started, checked and served there", async (address, where) => {
  await using ten = await start(where, { service: `address = "${address}"`, startupSecs: 30 });
  await untilState(ten, "api:v1", "healthy");
  expect((await ten.get(HOST)).body).toBe("here");
  await ten.ok("restart", "api:v1");
  expect((await ten.get(HOST)).body).toBe("here");
  ten.kill("SIGQUIT");
  await ten.exited;
  await ten.start();
  expect((await ten.get(HOST)).body).toBe("here");
});

test("an app that listens on all interfaces is served, and deploy and ps --all say so", async () => {
  await using ten = await start('{ hostname: "0.0.0.0", port: process.env.PORT }', {
    instances: false,
    startupSecs: 30,
  });
  const { stderr } = await ten.ok("deploy", "api:v1");
  expect(stderr).toContain("listens on all interfaces (0.0.0.0:");
  expect((await ten.ok("ps", "--all")).stdout).toContain("api:v1: listens on all interfaces (0.0.0.0:");
  expect((await ten.get(HOST)).body).toBe("here");
});

test.skipIf(lacks("setsid"))("a command that leaves the session by setsid is known by its mark", async () => {
  await using ten = await start('{ hostname: "127.0.0.1", port: process.env.PORT }', {
    prefix: "setsid --fork --wait ",
    startupSecs: 30,
  });
  await untilState(ten, "api:v1", "healthy");
  expect((await ten.get(HOST)).body).toBe("here");
  await ten.ok("stop", "api:v1", "--force");
  await until("nothing of it is left", () => ten.get(HOST).then(({ status }) => status === 503));
});

test("one that ends by itself with code 0 is told to stay in the foreground", async () => {
  await using ten = await startTen({ toml: '[service.api]\ncommand = "true"\n' });
  const { error } = await ten.json<Failure>("deploy", "api:v1");
  expect(error.hint).toContain("must stay in the foreground");
});

test.skipIf(lacks("python3"))(
  "a daemon that has left the session and its mark is ended with its deploy",
  async () => {
    const daemon = `
import os, socket, sys
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("127.0.0.1", int(os.environ["PORT"]))); s.listen(5); s.set_inheritable(True)
if os.fork(): sys.exit(0)
os.setsid()
if os.fork(): os._exit(0)
# As nginx does, which writes its title over the environment.
os.execve("/bin/sleep", ["sleep", "1000"], {})
`;
    await using ten = await startTen({
      toml: '[service.api]\ncommand = "python3 daemon.py"\nrestart = "never"\nhealth = "/"\n',
      prepare: (dir) => writeFileSync(`${dir}/daemon.py`, daemon),
    });
    const { error } = await ten.json<Failure>("deploy", "api:v1");
    expect(error.hint).toContain("must stay in the foreground");
    const { port } = error.details as { port: number };
    await until("nobody listens there", () => portHolder(port) === undefined);
  },
);
