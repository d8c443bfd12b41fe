// Which host leads where: every row of the table of hosts, for a server with a domain of its own.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startTen, type Ten, tomlFor } from "./ten.ts";

type Row = readonly [
  what: string,
  host: string,
  headers: Record<string, string>,
  status: number,
  from: string | null,
];

const OWN = null;
const named = (value: string) => ({ "X-Tenement-Instance": value });

/** Instances without weight are open here: this is about hosts. */
async function start(written: string): Promise<Ten> {
  const toml = written.replace('health = "/health"', 'health = "/health"\ndirect = "open"');
  const ten = await startTen({ toml, serve: ["--domain", "example.com", "--host", "127.0.0.1"] });
  await ten.ok("deploy", "api:v1");
  await ten.ok("deploy", "api:v2.1", "--weight", "0");
  return ten;
}

const serviceNamed = (name: string, more: string) =>
  tomlFor("bun")
    .replaceAll("[service.api]", `[service.${name}]`)
    .replace(/\[settings\][\s\S]*?(?=\[service)/, "") + more;

function check(ten: () => Ten, rows: readonly Row[]): void {
  test.each(rows)("%s: %s", async (_, host, headers, status, from) => {
    const answer = await ten().get(host, status === 200 && from === OWN ? "/health" : "/", { headers });
    expect({ status: answer.status, from: answer.instance }).toEqual({ status, from });
  });
}

describe("without a default", () => {
  let ten: Ten;
  beforeAll(async () => {
    ten = await start(
      `${tomlFor("bun", 'domains = ["shop.org", "www.shop.org"]').replace("[settings]", '[settings]\ndirect_from = ["127.0.0.1"]')}
${serviceNamed("closed", 'direct = "off"')}
${serviceNamed("inner", 'direct = "trusted"')}`,
    );
    await ten.ok("deploy", "closed:v1");
    await ten.ok("deploy", "inner:v1");
  });
  afterAll(() => ten[Symbol.asyncDispose]());

  check(
    () => ten,
    [
      ["a service", "api.example.com", {}, 200, "api:v1"],
      ["a service in upper case, with a port and a dot", "API.Example.COM.:8080", {}, 200, "api:v1"],
      ["a domain of a service", "shop.org", {}, 200, "api:v1"],
      ["another domain of a service", "WWW.shop.org:443", {}, 200, "api:v1"],
      ["an instance", "v1.api.example.com", {}, 200, "api:v1"],
      ["an instance without weight, whose id has a dot", "v2.1.api.example.com", {}, 200, "api:v2.1"],
      ["an instance that is not there", "v9.api.example.com", {}, 404, OWN],
      ["an instance of a service that is closed to it", "v1.closed.example.com", {}, 404, OWN],
      ["the service that is closed to it", "closed.example.com", {}, 200, "closed:v1"],
      [
        "an instance of a service open to peers in direct_from, from one",
        "v1.inner.example.com",
        {},
        200,
        "inner:v1",
      ],
      ["the domain", "example.com", {}, 200, OWN],
      ["an address", "127.0.0.1", {}, 200, OWN],
      ["an address of the sixth version", "[::1]:8080", {}, 200, OWN],
      ["localhost", "localhost", {}, 200, OWN],
      ["the admin's host of another arrangement", "ten.example.com", {}, 404, OWN],
      ["a service that is not there", "web.example.com", {}, 404, OWN],
      ["a service under localhost", "api.localhost", {}, 404, OWN],
      ["a host of nobody", "evil.org", {}, 404, OWN],
      ["a host that ends alike", "api.notexample.com", {}, 404, OWN],
      ["a domain below one of a service", "x.shop.org", {}, 404, OWN],
      ["a header with a service, on an own host", "example.com", named("api"), 200, "api:v1"],
      ["a header with an instance, on an own host", "127.0.0.1", named("api:v2.1"), 200, "api:v2.1"],
      ["a header with a service, on a host of nobody", "slum.internal", named("api"), 200, "api:v1"],
      ["a header on a service's own host", "closed.example.com", named("api:v1"), 200, "api:v1"],
      ["a header with an instance that is closed", "example.com", named("closed:v1"), 404, OWN],
      ["a header with a service that is not there", "example.com", named("nosuch"), 404, OWN],
      ["a header with an instance that is not there", "example.com", named("api:v9"), 404, OWN],
      ["a header that is not well formed, on an own host", "example.com", named("../etc"), 200, OWN],
      ["a header that is not well formed, on a host of nobody", "evil.org", named("API:V1"), 404, OWN],
    ],
  );

  test("the header that names an instance does not reach the app", async () => {
    const { body } = await ten.get("example.com", "/echo", { headers: named("api") });
    expect(Object.keys(JSON.parse(body).headers)).not.toContain("x-tenement-instance");
  });

  test("a Host that is none is refused with 400", async () => {
    for (const host of ["a b", "a,b", "a@b", "-", ".", "ex ample.com", `${"x".repeat(300)}.com`]) {
      const { status } = await ten.get(host);
      expect([host, [400, 404].includes(status)]).toEqual([host, true]);
    }
    expect((await ten.get("a@b")).status).toBe(400);
  });
});

describe("of who may neither say for whom it asks nor see more than everybody", () => {
  let ten: Ten;
  beforeAll(async () => {
    const more = `${serviceNamed("inner", 'direct = "trusted"')}`;
    ten = await start(`${tomlFor("bun").replace(/selector_from = .*/, "")}${more}`);
    await ten.ok("deploy", "inner:v1");
  });
  afterAll(() => ten[Symbol.asyncDispose]());

  check(
    () => ten,
    [
      ["a header on an own host", "example.com", named("api"), 404, OWN],
      ["a header on a host of nobody", "slum.internal", named("api:v1"), 404, OWN],
      ["a header that is not well formed", "example.com", named("../etc"), 200, OWN],
      ["a header on a service's own host", "api.example.com", named("inner:v1"), 200, "api:v1"],
      ["an instance of a service open to peers in direct_from", "v1.inner.example.com", {}, 404, OWN],
      ["that service", "inner.example.com", {}, 200, "inner:v1"],
    ],
  );

  test("the log names who it is and what to write, once a minute", async () => {
    const lines = (await ten.log()).split("\n").filter((line) => line.includes("X-Tenement-Instance"));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("127.0.0.1 says by X-Tenement-Instance for whom it asks");
    expect(lines[0]).toContain("selector_from");
  });

  test("the header does not reach the app", async () => {
    const { body } = await ten.get("api.example.com", "/echo", { headers: named("inner") });
    expect(Object.keys(JSON.parse(body).headers)).not.toContain("x-tenement-instance");
  });

  test("/health tells a stranger nothing but that it is up", async () => {
    // Loopback is trusted: what it may and may not is told.
    expect(JSON.parse((await ten.get("example.com", "/health")).body)).toEqual({
      status: "ok",
      peer: "127.0.0.1",
      trusted: true,
      selector: false,
    });
  });
});

describe("with a default", () => {
  let ten: Ten;
  beforeAll(async () => {
    ten = await start(`${tomlFor("bun")}\n[routing]\ndefault = "api"\n`);
  });
  afterAll(() => ten[Symbol.asyncDispose]());

  check(
    () => ten,
    [
      ["the domain is the service's", "example.com", {}, 200, "api:v1"],
      ["an address is the service's", "127.0.0.1", {}, 200, "api:v1"],
      ["localhost is the service's", "localhost", {}, 200, "api:v1"],
      ["the admin answers on its own host", "ten.example.com", {}, 200, OWN],
      ["a host of nobody stays nobody's", "evil.org", {}, 404, OWN],
      ["an instance has its host", "v2.1.api.example.com", {}, 200, "api:v2.1"],
      ["a header names an instance", "example.com", named("api:v2.1"), 200, "api:v2.1"],
    ],
  );

  test("the admin API is not on the service's hosts", async () => {
    const { status, instance } = await ten.get("example.com", "/api/instances");
    expect([status, instance]).toEqual([404, "api:v1"]);
    expect((await ten.get("ten.example.com", "/api/instances")).status).toBe(401);
  });
});
