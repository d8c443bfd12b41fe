// What commands do to servers leaves nothing behind when it fails.
import { expect, test } from "bun:test";
import { createResolver } from "../../../src/platform/net/resolver.ts";
import { createServerControl, type ServerControlParts } from "../../../src/slum/operations/servers.ts";
import { createManualClock } from "../../support/manual-clock.ts";

test("the name of a server that could not be added is not looked up again", async () => {
  const clock = createManualClock();
  const asked: string[] = [];
  const lookup = async (name: string) => {
    asked.push(name);
    return ["127.0.0.1"];
  };
  using resolver = createResolver({ clock, refreshMs: 30_000, lookup });
  const locked = new Error("locked");
  const registry = { servers: new Map(), tenants: new Map(), write: () => Promise.reject(locked) };
  const parts = { clock, resolver, registry, domain: "localhost" } as unknown as ServerControlParts;
  const server = {
    id: "iad",
    region: undefined,
    healthPath: "/health",
    addressing: "header",
    host: "auto",
  } as const;
  const adding = createServerControl(parts).add({ ...server, url: "http://typo.example" });
  expect(await adding.catch((thrown) => thrown)).toBe(locked);
  await clock.advance(300_000);
  expect(asked).toEqual(["typo.example"]);
});
