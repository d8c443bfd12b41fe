// slum and a tenement that see each other at an address that is not loopback: in a network of their own.
import { expect, test } from "bun:test";
import { until } from "../support/until.ts";
import { startSlumWith } from "./slum.ts";
import { startTen, tomlFor } from "./ten.ts";

const HOST = "acme.example.com";
/** Of the network for documentation (RFC 5737): nobody's. */
const ADDRESS = "192.0.2.1";

/** A network namespace that has `ADDRESS`; undefined where this user may not have one, or has no `ip`. */
async function startNetwork() {
  const script = `ip link set lo up && ip addr add ${ADDRESS}/32 dev lo && echo up && exec sleep 300`;
  const holder = Bun.spawn(["unshare", "-rn", "sh", "-c", script], { stdout: "pipe", stderr: "ignore" });
  const { value } = await holder.stdout.getReader().read();
  if (!value) return undefined;
  return {
    within: ["nsenter", "-t", String(holder.pid), "-U", "-n", "--preserve-credentials"],
    async [Symbol.asyncDispose]() {
      holder.kill("SIGKILL");
      await holder.exited;
    },
  };
}

const found = Bun.which("unshare") && Bun.which("nsenter") ? await startNetwork() : undefined;
if (found) await found[Symbol.asyncDispose]();

/** It may say for whom it asks, but not who asks. */
const SELECTING = tomlFor("bun").replace('"::1"]', `"::1", "${ADDRESS}"]`);
const TRUSTING = `[settings]\ntrusted_proxies = ["127.0.0.0/8", "${ADDRESS}"]`;

test.skipIf(!found)(
  "a tenement is told to trust slum's address, and until then replaces what slum forwards (needs unshare -rn and ip)",
  async () => {
    await using network = await startNetwork();
    const within = network?.within ?? [];
    await using ten = await startTen({ within, toml: SELECTING, serve: ["--host", "0.0.0.0"] });
    await ten.ok("deploy", "api:prod");
    await using slum = await startSlumWith({ within });

    /** What the app sees of a visitor of slum's, who comes by way of a proxy on slum's machine. */
    async function seen(): Promise<Record<string, string>> {
      const script = `const answer = await fetch("http://127.0.0.1:${slum.port}/echo", { headers: {
        Host: "${HOST}", "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https" } });
        console.log(await answer.text());`;
      const visitor = Bun.spawn([...within, process.execPath, "-e", script], { stdout: "pipe" });
      return (JSON.parse(await visitor.stdout.text()) as { headers: Record<string, string> }).headers;
    }

    const said = `iad does not heed this slum, which it sees as ${ADDRESS}`;
    const advice = `Add "${ADDRESS}" to trusted_proxies`;
    const added = await slum.ok("server", "add", "iad", `http://${ADDRESS}:${ten.port}`);
    expect(added.stdout).toContain("it answers: status 200");
    expect(added.stderr).toContain(said);
    expect(added.stderr).toContain(advice);
    expect((await slum.ok("server", "check", "iad")).stderr).toContain(advice);
    await slum.ok("tenant", "add", "acme", HOST, "iad", "api", "prod");
    const replaced = await seen();
    expect(replaced).toMatchObject({ "x-forwarded-for": ADDRESS, "x-forwarded-proto": "http" });
    // The visitor's own Host, which slum keeps, and not what slum says besides.
    expect(replaced["x-forwarded-host"]).toBe(HOST);

    await Bun.write(`${ten.dir}/tenement.toml`, SELECTING.replace("[settings]", TRUSTING));
    ten.kill("SIGQUIT");
    expect(await ten.exited).toBe(0);
    await ten.start();
    // The listening socket went from one to the next, and with it the port.
    // A connection that was open stays with the one before until that has finished.
    await until("it is heeded", async () => (await slum.ok("server", "check", "iad")).stderr === "");
    const heeded = {
      "x-forwarded-for": `203.0.113.9, 127.0.0.1, ${ADDRESS}`,
      "x-forwarded-proto": "https",
      "x-forwarded-host": HOST,
    };
    await until("the app is told", async () => Bun.deepMatch(heeded, await seen()));
  },
  180_000,
);

test("/health tells a stranger which slum it is, and nothing of how it is seen", async () => {
  await using slum = await startSlumWith({ words: ["--trusted-proxies", "192.0.2.0/24"] });
  const answer = await fetch(`http://127.0.0.1:${slum.port}/health`);
  expect(await answer.json()).toEqual({ status: "ok", slum: expect.any(String) });
});
