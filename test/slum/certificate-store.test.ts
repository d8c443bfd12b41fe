// Certificates in a registry that three slums share: one order a name, sealed secrets, and what goes on while the registry is away.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { SQL } from "bun";
import { type CertificateManager, createCertificateManager } from "../../src/certificates/manager.ts";
import { createDirectoryStore } from "../../src/certificates/store/directory-store.ts";
import type { CertificateStore } from "../../src/certificates/store/store.ts";
import { createPostgres } from "../../src/platform/storage/postgres.ts";
import { openSecretBox } from "../../src/platform/storage/secret-box.ts";
import { systemClock } from "../../src/platform/time/clock.ts";
import { openRegistryAt } from "../../src/slum/registry/open-registry.ts";
import { createSharedStore } from "../../src/slum/registry/postgres/certificate-store.ts";
import { hasPostgres, NEEDS_POSTGRES, startPostgres, type TestPostgres } from "../support/postgres.ts";
import { createScriptedAuthorities } from "../support/scripted-authority.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";

describe.if(hasPostgres)(`certificates in a shared registry ${NEEDS_POSTGRES}`, () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres[Symbol.asyncDispose]());

  async function database() {
    const url = await postgres.createDatabase();
    const registry = await openRegistryAt({
      database: url,
      slumId: "first",
      clock: systemClock,
      fallback: undefined,
    });
    await registry[Symbol.asyncDispose]();
    return url;
  }

  function slums(url: string) {
    const temp = createTempDir();
    const key = temp.file("key");
    const pools = new AsyncDisposableStack();
    pools.defer(() => temp[Symbol.dispose]());
    // The first use makes the key; all have the same.
    openSecretBox(key).seal("x", "x");
    return {
      temp,
      open: (slumId: string, keyFile = key): CertificateStore =>
        createSharedStore({
          postgres: pools.use(createPostgres(url, systemClock)),
          box: openSecretBox(keyFile),
          slumId,
          copy: createDirectoryStore(temp.file(slumId)),
        }),
      [Symbol.asyncDispose]: () => pools.disposeAsync(),
    };
  }

  test("three that are asked at once place one order, and all have the certificate, sealed in the database", async () => {
    const url = await database();
    await using shared = slums(url);
    const authorities = createScriptedAuthorities(Date.now);
    const gate = Promise.withResolvers<void>();
    authorities.gate = gate.promise;
    const open = (name: string) =>
      createCertificateManager({
        store: shared.open(name),
        authorities,
        clock: systemClock,
        random: () => 0.5,
        isOurs: () => true,
        onEvent() {},
        onChange() {},
      });
    const managers: CertificateManager[] = await Promise.all(["one", "two", "three"].map(open));
    const asked = managers.map((manager) => manager.demand("a.test", 30_000));
    await until("one has asked", () => authorities.asked.length > 0);
    gate.resolve();
    const pairs = await Promise.all(asked);
    expect(authorities.asked).toEqual(["a.test"]);
    expect(new Set(pairs.map((pair) => pair?.key)).size).toBe(1);
    const sql = new SQL({ url, max: 1 });
    const rows = await sql`SELECT kind, text FROM slum_certificates`;
    await sql.close();
    expect(rows.filter(({ text }: { text: string | null }) => text?.includes("PRIVATE KEY"))).toEqual([]);
    for (const manager of managers) manager[Symbol.dispose]();
  });

  test("what one changes the others hear of, once; what is gone is gone for all", async () => {
    await using shared = slums(await database());
    const [one, two] = [shared.open("one"), shared.open("two")];
    await two.changes?.("name");
    await one.put("name", "a.test", "first");
    expect(await two.changes?.("name")).toEqual(new Map([["a.test", "first"]]));
    expect(await two.changes?.("name")).toEqual(new Map());
    await one.put("name", "a.test", "second");
    await one.put("name", "b.test", "other");
    expect(await two.changes?.("name")).toEqual(
      new Map([
        ["a.test", "second"],
        ["b.test", "other"],
      ]),
    );
    await one.delete("name", "a.test");
    expect(await two.changes?.("name")).toEqual(new Map([["a.test", undefined]]));
    expect(await two.list("name")).toEqual(new Map([["b.test", "other"]]));
  });

  test("a lease is one slum's, prolonged by it, and anybody's when it is over", async () => {
    await using shared = slums(await database());
    const [one, two] = [shared.open("one"), shared.open("two")];
    expect(await one.lease("a.test", 300)).toBe(true);
    expect(await two.lease("a.test", 300)).toBe(false);
    expect(await one.lease("a.test", 300)).toBe(true);
    await until("it is over", () => two.lease("a.test", 60_000));
    expect(await one.lease("a.test", 300)).toBe(false);
    await two.release("a.test");
    expect(await one.lease("a.test", 300)).toBe(true);
  });

  test("another key opens nothing, and says so", async () => {
    await using shared = slums(await database());
    await shared.open("one").put("certificate", "a.test", "secret");
    const other = shared.open("two", shared.temp.file("other-key"));
    openSecretBox(shared.temp.file("other-key")).seal("x", "x");
    expect(other.get("certificate", "a.test")).rejects.toThrow(/sealed with another key/);
  });

  test("while the registry is away its copy is served, and nothing is ordered", async () => {
    const url = await database();
    await using shared = slums(url);
    const one = shared.open("one");
    await one.put("name", "a.test", "known");
    await one.put("certificate", "a.test", "pair");
    await postgres.stop();
    try {
      expect(await one.get("certificate", "a.test")).toBe("pair");
      expect(await one.list("name")).toEqual(new Map([["a.test", "known"]]));
      expect(one.lease("a.test", 1_000)).rejects.toThrow();
    } finally {
      await postgres.start();
    }
  });
});
