// Every address of the machine is served, IPv4 and IPv6, and IPv4 is plain wherever it is shown.
import { expect, test } from "bun:test";
import { networkInterfaces } from "node:os";
import { startSlum } from "./slum.ts";
import { startTen, tomlFor } from "./ten.ts";

const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some((one) => one.family === "IPv6"));

async function seenFrom(address: string, port: number, host: string): Promise<Record<string, string>> {
  const answer = await fetch(`http://${address}:${port}/echo`, {
    headers: { Host: host },
    proxy: false,
  } as RequestInit);
  return ((await answer.json()) as { headers: Record<string, string> }).headers;
}

test.skipIf(!hasIpv6)(
  "a domain of its own is served on IPv4 and IPv6, by ten and by slum (needs IPv6)",
  async () => {
    // Where there are workers, each listens.
    for (const workers of [1, 2]) {
      const toml = tomlFor("bun").replace("[settings]", `[settings]\nworkers = ${workers}`);
      await using ten = await startTen({ toml, serve: ["--domain", "example.com"] });
      await ten.ok("deploy", "api:v1");
      const [four, six] = [
        await seenFrom("127.0.0.1", ten.port, "api.example.com"),
        await seenFrom("[::1]", ten.port, "api.example.com"),
      ];
      expect([four["x-forwarded-for"], four["x-real-ip"]]).toEqual(["127.0.0.1", "127.0.0.1"]);
      expect([six["x-forwarded-for"], six["x-real-ip"]]).toEqual(["::1", "::1"]);
      // Both are loopback, and trusted as that.
      const health = async (address: string) =>
        (await fetch(`http://${address}:${ten.port}/health`, { proxy: false } as RequestInit)).json();
      expect(await health("127.0.0.1")).toMatchObject({ peer: "127.0.0.1", trusted: true });
      expect(await health("[::1]")).toMatchObject({ peer: "::1", trusted: true });
      if (workers > 1) continue;
      await using slum = await startSlum("--domain", "slum.example.com");
      await slum.ok("server", "add", "iad", `http://[::1]:${ten.port}`);
      await slum.ok("tenant", "add", "acme", "acme.test", "iad", "api");
      const through = await seenFrom("[::1]", slum.port, "acme.test");
      expect(through["x-forwarded-for"]).toBe("::1, ::1");
      expect((await seenFrom("127.0.0.1", slum.port, "acme.test"))["x-forwarded-for"]).toBe("127.0.0.1, ::1");
    }
  },
  180_000,
);
