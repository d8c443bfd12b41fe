// Every operation of ten and slum by every scope, and about a service that the token was not made for.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Operation } from "../../src/api/operation.ts";
import { type SlumContract, contract as slumContract } from "../../src/slum/api/contract.ts";
import { type TenContract, contract as tenContract } from "../../src/ten/api/contract.ts";
import { type Allowed, type Questions, verdict } from "./access-matrix.ts";
import { startFleet } from "./fleet.ts";
import { type Slum, startSlum } from "./slum.ts";
import type { Ten } from "./ten.ts";

/** A service that there is not, so that what is allowed finds nothing to change. */
const OWN = "ghost";
const FOREIGN = "api";

describe("ten", () => {
  type Who = "read" | "deploy" | "tenant" | "admin";
  const LOOK: readonly Who[] = ["read", "deploy", "admin"];
  const RELEASE: readonly Who[] = ["deploy", "admin"];
  const ALL: readonly Who[] = ["read", "deploy", "tenant", "admin"];
  const OWNER: readonly Who[] = ["deploy", "tenant", "admin"];

  const MAY: Allowed<TenContract, Who> = {
    health: "open",
    whoAmI: ALL,
    listInstances: ALL,
    check: ALL,
    why: ALL,
    logs: ALL,
    access: ALL,
    followAccess: ALL,
    followLogs: ALL,
    split: LOOK,
    traffic: LOOK,
    history: LOOK,
    events: LOOK,
    followEvents: LOOK,
    config: LOOK,
    metrics: LOOK,
    spawn: OWNER,
    stop: OWNER,
    stopAll: OWNER,
    restart: OWNER,
    removeAll: ["tenant", "admin"],
    deploy: RELEASE,
    ship: RELEASE,
    releases: LOOK,
    route: RELEASE,
    rollback: RELEASE,
    planRollout: LOOK,
    rollout: LOOK,
    holdRollout: RELEASE,
    promoteRollout: RELEASE,
    abortRollout: RELEASE,
    shadow: LOOK,
    beginShadow: RELEASE,
    endShadow: RELEASE,
    link: RELEASE,
    revokeLinks: RELEASE,
    setShare: RELEASE,
    setWeights: RELEASE,
    chown: ["admin"],
    maintenance: RELEASE,
    prune: RELEASE,
    reload: ["admin"],
    listWebhooks: LOOK,
    addWebhook: ["admin"],
    deleteWebhook: ["admin"],
    rotateWebhook: ["admin"],
    testWebhook: ["admin"],
    listCertificates: LOOK,
    lookAtName: LOOK,
    addCertificate: ["admin"],
    renewCertificate: ["admin"],
    revokeCertificate: ["admin"],
    removeCertificate: ["admin"],
    listTokens: ["admin"],
    createToken: ["admin"],
    revokeToken: ["admin"],
    rotateToken: ["admin"],
    // Only at the socket, whoever asks over the network.
    loginCode: [],
  };

  const named = (service: string) => ({ params: { instance: `${service}:acme` } });
  const ASK: Questions<TenContract> = {
    health: () => ({}),
    whoAmI: () => ({}),
    listInstances: (service) => ({ query: { service } }),
    check: named,
    why: named,
    logs: (service) => ({ query: { service } }),
    access: (service) => ({ query: { service } }),
    followAccess: (service) => ({ query: { service } }),
    followLogs: (service) => ({ query: { service } }),
    split: (service) => ({ params: { service } }),
    traffic: (service) => ({ params: { service }, query: {} }),
    history: (service) => ({ params: { service } }),
    events: (service) => ({ query: { service } }),
    followEvents: (service) => ({ query: { service } }),
    config: () => ({}),
    metrics: () => ({}),
    spawn: (service) => ({ body: { service, id: "acme" } }),
    stop: named,
    stopAll: (service) => ({ body: { instances: [`${service}:acme`] } }),
    restart: named,
    removeAll: (service) => ({ body: { instances: [`${service}:acme`] } }),
    deploy: (service) => ({ body: { service, version: "v1" } }),
    ship: (service) => ({ params: { service, version: "v1" } }),
    releases: (service) => ({ params: { service } }),
    route: (service) => ({ body: { service, to: "v1" } }),
    rollback: (service) => ({ body: { service } }),
    planRollout: (service) => ({ params: { service }, body: { version: "v1" } }),
    rollout: (service) => ({ params: { service } }),
    holdRollout: (service) => ({ params: { service }, body: { on: true } }),
    promoteRollout: (service) => ({ params: { service }, body: {} }),
    abortRollout: (service) => ({ params: { service }, body: {} }),
    shadow: (service) => ({ params: { service } }),
    beginShadow: (service) => ({ params: { service }, body: { to: "v1" } }),
    endShadow: (service) => ({ params: { service } }),
    link: (service) => ({ ...named(service), body: {} }),
    revokeLinks: named,
    setShare: (service) => ({ ...named(service), body: { weight: 1 } }),
    setWeights: (service) => ({ body: { service, weights: { v1: 1 } } }),
    chown: (service) => ({ params: { service } }),
    maintenance: (service) => ({ params: { service }, body: { on: true } }),
    prune: (service) => ({ body: { service } }),
    reload: () => ({ body: {} }),
    listWebhooks: () => ({}),
    addWebhook: () => ({ body: { url: "https://9.9.9.9/x" } }),
    deleteWebhook: () => ({ params: { id: "none" } }),
    rotateWebhook: () => ({ params: { id: "none" } }),
    testWebhook: () => ({ params: { id: "none" } }),
    listCertificates: () => ({}),
    lookAtName: () => ({ params: { name: "a.test" } }),
    addCertificate: () => ({ body: { pem: "none" } }),
    renewCertificate: () => ({ params: { name: "none.test" } }),
    revokeCertificate: () => ({ params: { name: "none.test" }, body: {} }),
    removeCertificate: () => ({ params: { name: "none.test" } }),
    listTokens: () => ({}),
    createToken: () => ({ body: { name: `made-${crypto.randomUUID().slice(0, 8)}` } }),
    revokeToken: () => ({ params: { name: "none" } }),
    rotateToken: () => ({ params: { name: "none" }, body: {} }),
    loginCode: () => ({}),
  };
  /** About a service, so that one may be asked about that is not the token's. */
  const isAboutService = (name: keyof TenContract) =>
    JSON.stringify(ASK[name](OWN)) !== JSON.stringify(ASK[name](FOREIGN));

  let ten: Ten;
  const tokens = new Map<string, string>();
  beforeAll(async () => {
    ten = await startFleet();
    await ten.ok("deploy", "api:v1");
    const create = async (who: Who, ...words: string[]) => {
      const { token } = await ten.json<{ token: string }>(
        "token",
        "create",
        `the-${who}`,
        "--scope",
        who,
        ...words,
      );
      tokens.set(who, token);
    };
    await create("read", "--service", OWN);
    await create("deploy", "--service", OWN);
    await create("tenant", "--tenant", "acme", "--service", OWN);
    await create("admin");
  });
  afterAll(() => ten[Symbol.asyncDispose]());

  test("asks of every operation who may", () => {
    expect(Object.keys(MAY).sort()).toEqual(Object.keys(tenContract).sort());
    expect(Object.keys(ASK).sort()).toEqual(Object.keys(tenContract).sort());
  });

  const state = async () => {
    const { instances } = await ten.json<{ instances: object[] }>("ps", "--all");
    return JSON.stringify(
      instances.map((one) => [Reflect.get(one, "id"), Reflect.get(one, "weight"), Reflect.get(one, "pid")]),
    );
  };

  describe.each(Object.keys(tenContract) as (keyof TenContract)[])("%s", (name) => {
    const operation: Operation = tenContract[name];
    const may = MAY[name];
    const ask = (service: string, who: string) =>
      verdict(ten.port, operation, ASK[name](service), tokens.get(who));

    test("by nobody", async () => {
      expect(await ask(OWN, "nobody")).toBe(may === "open" ? "allowed" : "unauthorised");
    });

    test.each(ALL)("by %s, about its own service and another's", async (who) => {
      const before = await state();
      const isAllowed = may === "open" || may.includes(who);
      const own = await ask(OWN, who);
      if (isAllowed) expect(["allowed", "not_found"]).toContain(own);
      else expect(own).toBe("forbidden");
      if (isAboutService(name) && who !== "admin") {
        const foreign = await ask(FOREIGN, who);
        // To a tenant what is not its own does not exist.
        if (who === "tenant" && isAllowed) expect(["not_found", "allowed"]).toContain(foreign);
        else expect(foreign).toBe("forbidden");
      }
      expect(await state()).toBe(before);
    });
  });

  test("tells of every refusal in an event, with who was refused", async () => {
    const { events } = await ten.json<{
      events: { kind: string; by: string; from: string; operation: string }[];
    }>("events", "--kind", "refused", "--limit", "10000");
    const refused = new Set(events.map(({ by, operation }) => `${operation} by ${by}`));
    expect([...refused]).toContain("deploy by the-read");
    expect([...refused]).toContain("deploy by the-deploy");
    expect([...refused]).toContain("reload by the-tenant");
    expect(new Set(events.map(({ from }) => from))).toEqual(new Set(["127.0.0.1"]));
  });
});

describe("slum", () => {
  type Who = "read" | "admin";
  const LOOK: readonly Who[] = ["read", "admin"];
  const MAY: Allowed<SlumContract, Who> = {
    health: "open",
    whoAmI: LOOK,
    status: LOOK,
    fleetHistory: LOOK,
    listServers: LOOK,
    listTenants: LOOK,
    route: LOOK,
    why: LOOK,
    events: LOOK,
    followEvents: LOOK,
    listWebhooks: LOOK,
    metrics: LOOK,
    addServer: ["admin"],
    changeServer: ["admin"],
    deleteServer: ["admin"],
    drainServer: ["admin"],
    checkServer: ["admin"],
    addTenant: ["admin"],
    deleteTenant: ["admin"],
    moveTenant: ["admin"],
    addWebhook: ["admin"],
    deleteWebhook: ["admin"],
    rotateWebhook: ["admin"],
    testWebhook: ["admin"],
    exportRegistry: ["admin"],
    importRegistry: ["admin"],
    listCertificates: LOOK,
    lookAtName: LOOK,
    addCertificate: ["admin"],
    renewCertificate: ["admin"],
    revokeCertificate: ["admin"],
    removeCertificate: ["admin"],
    listTokens: ["admin"],
    createToken: ["admin"],
    revokeToken: ["admin"],
    rotateToken: ["admin"],
    loginCode: [],
  };
  const id = () => ({ params: { id: "none" } });
  const ASK: Questions<SlumContract> = {
    health: () => ({}),
    whoAmI: () => ({}),
    status: () => ({}),
    fleetHistory: () => ({}),
    listServers: () => ({}),
    listTenants: () => ({}),
    route: () => ({ query: { domain: "none.test" } }),
    why: () => ({ query: { subject: "none.test" } }),
    events: () => ({}),
    followEvents: () => ({}),
    listWebhooks: () => ({}),
    metrics: () => ({}),
    addServer: () => ({ body: { id: "s", url: "http://127.0.0.1:1" } }),
    deleteServer: id,
    changeServer: () => ({ ...id(), body: {} }),
    drainServer: () => ({ ...id(), body: { drained: true } }),
    checkServer: id,
    addTenant: () => ({ body: { id: "acme", domain: "acme.test", server: "none", service: "api" } }),
    deleteTenant: id,
    moveTenant: () => ({ ...id(), body: { server: "none" } }),
    addWebhook: () => ({ body: { id: "w", url: "https://9.9.9.9/x" } }),
    deleteWebhook: id,
    rotateWebhook: id,
    testWebhook: id,
    exportRegistry: () => ({}),
    importRegistry: () => ({ body: { document: { slum_registry: 1 }, dry_run: true } }),
    listCertificates: () => ({}),
    lookAtName: () => ({ params: { name: "a.test" } }),
    addCertificate: () => ({ body: { pem: "none" } }),
    renewCertificate: () => ({ params: { name: "none.test" } }),
    revokeCertificate: () => ({ params: { name: "none.test" }, body: {} }),
    removeCertificate: () => ({ params: { name: "none.test" } }),
    listTokens: () => ({}),
    createToken: () => ({ body: { name: `made-${crypto.randomUUID().slice(0, 8)}` } }),
    revokeToken: () => ({ params: { name: "none" } }),
    rotateToken: () => ({ params: { name: "none" }, body: {} }),
    loginCode: () => ({}),
  };

  let slum: Slum;
  const tokens = new Map<string, string>();
  beforeAll(async () => {
    slum = await startSlum();
    for (const who of LOOK) {
      const { token } = await slum.json<{ token: string }>("token", "create", `the-${who}`, "--scope", who);
      tokens.set(who, token);
    }
  });
  afterAll(() => slum[Symbol.asyncDispose]());

  test("asks of every operation who may", () => {
    expect(Object.keys(MAY).sort()).toEqual(Object.keys(slumContract).sort());
    expect(Object.keys(ASK).sort()).toEqual(Object.keys(slumContract).sort());
  });

  describe.each(Object.keys(slumContract) as (keyof SlumContract)[])("%s", (name) => {
    const operation: Operation = slumContract[name];
    const may = MAY[name];
    test.each([undefined, ...LOOK])("by %s", async (who) => {
      const found = await verdict(slum.port, operation, ASK[name](""), who && tokens.get(who));
      if (may === "open" || (who && may.includes(who)))
        expect(["unauthorised", "forbidden"]).not.toContain(found);
      else expect(found).toBe(who ? "forbidden" : "unauthorised");
    });
  });

  test("has no tokens of scopes that mean nothing to it", async () => {
    for (const scope of ["deploy", "tenant"])
      expect((await slum.run("token", "create", "x", "--scope", scope)).exit).toBe(2);
  });
});
