// What may be written on whose behalf: refused where it is written, with nothing changed, and told of where it was allowed.
import { describe, expect, test } from "bun:test";
import { createActing } from "../../../src/api/acting.ts";
import type { Principal } from "../../../src/api/principal.ts";
import { Fault } from "../../../src/core/fault.ts";
import { openDatabase } from "../../../src/platform/storage/database.ts";
import { systemClock } from "../../../src/platform/time/clock.ts";
import { migrations } from "../../../src/ten/registry/migrations.ts";
import {
  createRegistry,
  type NewInstance,
  type Registry,
  type Writer,
} from "../../../src/ten/registry/registry.ts";
import { createTempDir } from "../../support/temp-dir.ts";

const acting = createActing();

function instance(service: string, id: string, more: Partial<NewInstance> = {}): NewInstance {
  return {
    service,
    id,
    version: id,
    weight: 0,
    desired: "running",
    state: "healthy",
    reason: "test",
    stateAt: 0,
    createdAt: 0,
    deploying: false,
    restarts: 0,
    ...more,
  };
}

/** api:v1 has all traffic, api:acme and web:acme are the tenant's. */
async function setUp(directory: string): Promise<{ registry: Registry; close: () => void }> {
  const database = openDatabase(`${directory}/ten.db`, migrations);
  const registry = createRegistry(database, systemClock, () => {}, acting);
  await registry.write((writer) => {
    writer.create(instance("api", "v1", { weight: 10_000 }));
    writer.create(instance("api", "acme", { version: "v1", weight: 100 }));
    writer.create(instance("web", "v1", { weight: 10_000 }));
    writer.create(instance("web", "acme"));
  });
  return { registry, close: () => database.close() };
}

const WHO = {
  admin: { name: "ops", scope: "admin" },
  deploy: { name: "ci", scope: "deploy", services: ["api"] },
  read: { name: "grafana", scope: "read" },
  tenant: { name: "acme", scope: "tenant", tenant: "acme", services: ["api"] },
  "old tenant": { name: "old", scope: "tenant", tenant: "acme" },
} as const satisfies Record<string, Principal>;
type Who = keyof typeof WHO;

/** Every way to write about an instance or a service; `api` unless said otherwise. Who may? */
type Row = [what: string, who: readonly Who[], write: (writer: Writer, registry: Registry) => void];
const rows: Row[] = [
  ["a new instance", ["admin", "deploy"], (writer) => writer.create(instance("api", "v2"))],
  ["a new instance of the tenant's id", ["admin"], (writer) => writer.create(instance("shop", "acme"))],
  [
    "another version of a new one of that id",
    ["admin"],
    (writer) => writer.create(instance("shop", "acme", { version: "v9" })),
  ],
  [
    "a stop",
    ["admin", "deploy"],
    (writer, registry) => writer.update(registry.get("api", "v1"), { desired: "stopped" }),
  ],
  [
    "a stop of the tenant's",
    ["admin", "deploy", "tenant", "old tenant"],
    (writer, registry) => writer.update(registry.get("api", "acme"), { desired: "stopped" }),
  ],
  [
    "a stop in another service",
    ["admin"],
    (writer, registry) => writer.update(registry.get("web", "v1"), { desired: "stopped" }),
  ],
  [
    "a stop of the tenant's in another service",
    ["admin", "old tenant"],
    (writer, registry) => writer.update(registry.get("web", "acme"), { desired: "stopped" }),
  ],
  [
    "another version of the tenant's",
    ["admin", "deploy"],
    (writer, registry) => writer.update(registry.get("api", "acme"), { version: "v2" }),
  ],
  ["a weight", ["admin", "deploy"], (writer) => writer.setWeights("api", new Map([["v1", 50]]), "weight")],
  [
    "a weight by an update",
    ["admin", "deploy"],
    (writer, registry) => writer.update(registry.get("api", "v1"), { weight: 50 }),
  ],
  [
    "more weight for the tenant",
    ["admin", "deploy"],
    (writer) => writer.setWeights("api", new Map([["acme", 5_000]]), "weight"),
  ],
  [
    "more weight for the tenant by an update",
    ["admin", "deploy"],
    (writer, registry) => writer.update(registry.get("api", "acme"), { weight: 5_000 }),
  ],
  [
    "no weight for the tenant",
    ["admin", "deploy", "tenant", "old tenant"],
    (writer) => writer.setWeights("api", new Map([["acme", 0]]), "stop"),
  ],
  [
    "a weight in another service",
    ["admin"],
    (writer) => writer.setWeights("web", new Map([["v1", 50]]), "weight"),
  ],
  [
    "the end of an instance",
    ["admin", "deploy"],
    (writer, registry) => writer.remove(registry.get("api", "v1")),
  ],
  [
    "the end of the tenant's",
    ["admin", "deploy", "tenant", "old tenant"],
    (writer, registry) => writer.remove(registry.get("api", "acme")),
  ],
  ["maintenance", ["admin", "deploy"], (writer) => writer.setMaintenance("api", true)],
  ["maintenance of another service", ["admin"], (writer) => writer.setMaintenance("web", true)],
  ["an event of an instance", ["admin", "deploy"], (writer) => writer.event("api", "v1", "restart", "")],
  [
    "an event of another service",
    ["admin", "old tenant"],
    (writer) => writer.event("web", "acme", "restart", ""),
  ],
];

describe.each(rows)("%s", (_, allowed, write) => {
  test.each(Object.keys(WHO) as Who[])("by %s", async (who) => {
    using temp = createTempDir();
    const { registry, close } = await setUp(temp.path);
    const before = JSON.stringify([registry.list(), registry.events({ limit: 100 })]);
    const principal = WHO[who];
    const writing = acting.as({ principal, from: "test", operation: "test" }, () =>
      registry.write((writer) => write(writer, registry)),
    );
    const fault = await writing.then(
      () => undefined,
      (thrown) => thrown,
    );
    if (allowed.includes(who)) expect(fault).toBeUndefined();
    else {
      expect([fault instanceof Fault, fault?.code]).toEqual([true, "forbidden"]);
      expect(JSON.stringify([registry.list(), registry.events({ limit: 100 })])).toBe(before);
    }
    if (allowed.includes(who))
      expect(
        registry.events({ limit: 1 }).map(({ actor, origin, operation }) => [actor, origin, operation]),
      ).toEqual([[principal.name, "test", "test"]]);
    close();
  });
});

test("a tenant gets a new instance only of a service that its token names, of the version that its id is, without traffic", async () => {
  using temp = createTempDir();
  const { registry, close } = await setUp(temp.path);
  const create = (principal: Principal, values: NewInstance) =>
    acting
      .as({ principal, from: "test", operation: "spawn" }, () =>
        registry.write((writer) => writer.create(values)),
      )
      .then(
        () => "made",
        (thrown: Fault) => thrown.code,
      );
  const shop = { ...WHO.tenant, services: ["shop"] };
  expect(await create(WHO["old tenant"], instance("shop", "acme"))).toBe("forbidden");
  expect(await create(WHO.tenant, instance("shop", "acme"))).toBe("forbidden");
  expect(await create(shop, instance("shop", "beta"))).toBe("forbidden");
  expect(await create(shop, instance("shop", "acme", { version: "v9" }))).toBe("forbidden");
  expect(await create(shop, instance("shop", "acme"))).toBe("made");
  close();
});
