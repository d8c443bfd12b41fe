// The host table of the contract, line by line.
import { describe, expect, test } from "bun:test";
import type { Route } from "../../src/core/route.ts";
import { createRouteTable, type Decision, decide, type TableOptions } from "../../src/core/route-table.ts";
import { route, target } from "../support/routes.ts";

const ROUTES: readonly Route[] = [
  route("api", [target("api:v1"), target("api:v2", { weight: 0 }), target("api:1.2.3")], {
    hosts: ["api.example.com", "api.localhost", "shop.example.org", "deep.api.example.com", "*.tenants.io"],
  }),
  route("web", [target("web:a")], {
    hosts: ["web.example.com", "shop.example.org", "10.0.0.1", "example.com"],
    policy: { direct: "trusted" },
  }),
  route("shut", [target("shut:a")], { hosts: ["shut.example.com"], policy: { direct: "off" } }),
];
const NOBODY = { maySee: () => false, maySelect: () => false };
const EXAMPLE: TableOptions = { domain: "example.com", directHosts: true, adminHost: "ten.example.com" };

interface Asked {
  readonly named?: string;
  /** Whether the peer may use hosts of single targets, and say by the field for whom it asks. */
  readonly sees?: boolean;
  readonly selects?: boolean;
  readonly options?: TableOptions;
}

/** The decision as one short line. */
function goes(
  host: string | undefined,
  { named, sees = false, selects = named !== undefined, options = EXAMPLE }: Asked = {},
): string {
  const rights = { maySee: () => sees, maySelect: () => selects };
  return line(decide(createRouteTable(ROUTES, options), host, named, "192.0.2.7", rights));
}

function line(decision: Decision): string {
  if (decision.kind === "weighted") return `weighted ${decision.route.name}`;
  if (decision.kind === "direct") return `direct ${decision.target.id}`;
  if (decision.kind === "unknown_target") return `unknown_target ${decision.route.name} ${decision.label}`;
  return decision.kind;
}

describe("hosts", () => {
  test.each([
    ["api.example.com", "weighted api"],
    ["API.Example.COM", "weighted api"],
    ["api.example.com:8080", "weighted api"],
    ["api.example.com.", "weighted api"],
    ["api.example.com.:8080", "weighted api"],
    ["v2.api.example.com", "direct api:v2"],
    ["V2.api.example.com:80", "direct api:v2"],
    ["1.2.3.api.example.com", "direct api:1.2.3"],
    ["v9.api.example.com", "unknown_target api v9"],
    ["-x.api.example.com", "unknown"],
    ["shop.example.org", "weighted api"],
    ["x.shop.example.org", "unknown"],
    ["deep.api.example.com", "weighted api"],
    ["acme.tenants.io", "weighted api"],
    ["a.acme.tenants.io", "unknown"],
    ["tenants.io", "unknown"],
    ["example.com", "own"],
    ["example.com:8080", "own"],
    ["localhost", "own"],
    ["localhost:3000", "own"],
    ["127.0.0.1:8080", "own"],
    ["10.0.0.1", "own"],
    ["[::1]", "own"],
    ["[::1]:8080", "own"],
    ["256.1.1.1", "unknown"],
    ["nobody.example.com", "unknown"],
    ["ten.example.com", "unknown"],
    ["web.localhost", "unknown"],
    ["v2.api.localhost", "unknown"],
    ["evilexample.com", "unknown"],
    ["api.example.com.evil.org", "unknown"],
    ["__proto__.example.com", "unknown"],
    ["constructor", "unknown"],
  ])("%s -> %s", (host, expected) => {
    expect(goes(host)).toBe(expected);
  });

  test("none at all is bad", () => {
    expect(goes(undefined)).toBe("bad_host");
  });

  test.each([
    "",
    " ",
    ".",
    "a..b",
    ".api.example.com",
    "api.example.com..",
    "a b",
    "a@b/c?d",
    "a, b",
    "api.example.com:x",
    "api.example.com:123456",
    "[::1",
    "é.example.com",
    `${"a".repeat(256)}`,
  ])("%p is no host", (host) => {
    expect(goes(host)).toBe("bad_host");
  });

  test("with the domain localhost everything hangs below localhost", () => {
    const options = { domain: "localhost", directHosts: true };
    expect(goes("api.localhost:8080", { options })).toBe("weighted api");
    expect(goes("v2.api.localhost", { options })).toBe("direct api:v2");
    expect(goes("localhost", { options })).toBe("own");
  });

  test("without direct hosts, only the routes' own hosts count", () => {
    const options = { domain: "example.com", directHosts: false };
    expect(goes("v1.api.example.com", { options })).toBe("unknown");
    expect(goes("shop.example.org", { options })).toBe("weighted api");
  });
});

describe("direct", () => {
  test("trusted opens it to trusted peers only", () => {
    expect(goes("a.web.example.com")).toBe("unknown");
    expect(goes("a.web.example.com", { sees: true })).toBe("direct web:a");
    expect(goes("zz.web.example.com")).toBe("unknown");
  });

  test("off is off for all, by header too; the weighted host stays", () => {
    expect(goes("a.shut.example.com", { sees: true })).toBe("unknown");
    expect(goes("other.org", { named: "shut:a", sees: true })).toBe("unknown");
    expect(goes("shut.example.com")).toBe("weighted shut");
  });
});

describe("[routing] default", () => {
  const options = { ...EXAMPLE, defaultRoute: "web" };

  test.each([
    ["example.com", "weighted web"],
    ["localhost", "weighted web"],
    ["10.1.1.1:80", "weighted web"],
    ["[::1]", "weighted web"],
    ["ten.example.com", "own"],
    ["TEN.example.com.:8080", "own"],
    ["api.example.com", "weighted api"],
    ["other.org", "unknown"],
  ])("%s -> %s", (host, expected) => {
    expect(goes(host, { options })).toBe(expected);
  });

  test("one that has no route yet does not lay the admin open", () => {
    const missing = { ...EXAMPLE, defaultRoute: "soon" };
    expect(goes("example.com", { options: missing })).toBe("unknown");
    expect(goes("127.0.0.1", { options: missing })).toBe("unknown");
    expect(goes("ten.example.com", { options: missing })).toBe("own");
  });
});

describe("the header that names a route or a target", () => {
  test.each([
    ["other.org", "api", "weighted api"],
    ["other.org", "api:v2", "direct api:v2"],
    ["other.org", "api:1.2.3", "direct api:1.2.3"],
    ["other.org", "api:v9", "unknown_target api v9"],
    ["other.org", "nobody", "unknown"],
    ["other.org", "web:a", "unknown"],
    ["other.org", "API", "unknown"],
    ["other.org", "api:", "unknown"],
    ["other.org", "api, web", "unknown"],
    ["example.com", "api", "weighted api"],
    ["127.0.0.1", "api:v2", "direct api:v2"],
    ["example.com", "nobody", "unknown"],
    ["example.com", "not well formed", "own"],
    ["nobody.example.com", "api", "weighted api"],
    ["api.example.com", "web", "weighted web"],
    ["shop.example.org", "web", "weighted web"],
    ["v1.api.example.com", "api:v2", "direct api:v2"],
    ["v9.api.example.com", "api:v2", "direct api:v2"],
    ["a.web.example.com", "api", "weighted api"],
    ["a b", "api", "bad_host"],
  ])("on %s, %p -> %s", (host, named, expected) => {
    expect(goes(host, { named })).toBe(expected);
  });

  test.each([
    ["other.org", "api", "unheeded"],
    ["other.org", "nobody", "unheeded"],
    ["example.com", "api:v2", "unheeded"],
    ["127.0.0.1", "api", "unheeded"],
    ["example.com", "not well formed", "own"],
    ["other.org", "API", "unknown"],
    ["api.example.com", "shut", "weighted api"],
    ["shop.example.org", "web:a", "weighted api"],
    ["v1.api.example.com", "api:v2", "direct api:v1"],
    ["acme.tenants.io", "web", "weighted api"],
    ["a b", "api", "bad_host"],
  ])("of who may not say so, on %s, %p -> %s", (host, named, expected) => {
    expect(goes(host, { named, selects: false })).toBe(expected);
  });

  test("opens nothing that hosts do not", () => {
    expect(goes("other.org", { named: "web:a" })).toBe("unknown");
    expect(goes("other.org", { named: "web:a", sees: true })).toBe("direct web:a");
    expect(goes("other.org", { named: "shut:a", sees: true })).toBe("unknown");
  });

  test("reaches past a default on the own hosts", () => {
    const options = { ...EXAMPLE, defaultRoute: "web" };
    expect(goes("example.com", { named: "api", options })).toBe("weighted api");
    expect(goes("example.com", { named: "!", options })).toBe("weighted web");
  });
});

test("a hundred thousand routes are looked up at the cost of ten", () => {
  const cost = (count: number) => {
    const routes = Array.from({ length: count }, (_, i) => route(`s${i}`, [target(`s${i}:v1`)]));
    const table = createRouteTable(routes, EXAMPLE);
    const hosts = Array.from({ length: 10 }, (_, i) => `v1.s${(i * count) / 10}.example.com:8080`);
    const once = () => {
      const begin = performance.now();
      for (let i = 0; i < 20_000; i++) decide(table, hosts[i % 10] ?? "", undefined, "192.0.2.7", NOBODY);
      return performance.now() - begin;
    };
    return Math.min(...Array.from({ length: 5 }, once));
  };
  // A search would cost ten thousand times as much; what a busy machine adds is far from that.
  expect(cost(100_000) / cost(10)).toBeLessThan(100);
});

test("what has no traffic yet is a preview by its own host, and open once it has, or where nothing else has any", () => {
  const policy = { direct: "preview" } as const;
  const both = [target("api:v1"), target("api:v2", { weight: 0 })];
  const goesTo = (host: string, targets = both, more = {}, trusted = false, named?: string) => {
    const routes = [route("api", targets, { hosts: ["api.example.com"], policy: { ...policy, ...more } })];
    const rights = { maySee: () => trusted, maySelect: () => trusted };
    return decide(createRouteTable(routes, EXAMPLE), host, named, "192.0.2.7", rights).kind;
  };
  expect(goesTo("v1.api.example.com")).toBe("direct");
  expect(goesTo("v2.api.example.com")).toBe("preview");
  expect(goesTo("v2.api.example.com", both, {}, true)).toBe("preview");
  expect(goesTo("v2.api.example.com", [target("api:v2", { weight: 0 })])).toBe("direct");
  expect(goesTo("v2.api.example.com", both, { onDemand: true })).toBe("direct");
  expect(goesTo("example.com", both, {}, false, "api:v2")).toBe("unheeded");
  expect(goesTo("example.com", both, {}, true, "api:v2")).toBe("direct");
});
