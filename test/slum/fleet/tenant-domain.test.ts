// The domain of a tenant: canonical, one wildcard at most, and no host that is slum's own.
import { describe, expect, test } from "bun:test";
import { Fault } from "../../../src/core/fault.ts";
import { parseTenantDomain, refuseOwnHost } from "../../../src/slum/fleet/tenant-domain.ts";

function faultOf(work: () => unknown): Fault {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof Fault) return thrown;
  }
  throw new Error("nothing was refused");
}

describe("the domain of a tenant", () => {
  test.each(["acme.example.com", "*.acme.com", "acme.localhost", "*.acme.localhost", "a_b.example.com"])(
    "%s is one",
    (text) => expect(parseTenantDomain(text)).toBe(text),
  );

  test.each([
    ["https://acme.example.com", 'write "acme.example.com"'],
    ["acme.example.com:8080", 'write "acme.example.com"'],
    ["acme.example.com/path", 'write "acme.example.com"'],
    ["ACME.example.com", 'write "acme.example.com"'],
    ["acme.example.com.", 'write "acme.example.com"'],
    ["*.ACME.com", 'write "*.acme.com"'],
    ["*.*.acme.com", "one label in front may be *"],
    ["a.*.com", "name each domain"],
    ["*.com", "write *.acme.com"],
    ["10.0.0.1", "give a domain"],
    ["[::1]", "give a domain"],
    ["", "write one such as app.example.com"],
  ])("%p is refused with advice", (text, hint) => {
    const fault = faultOf(() => parseTenantDomain(text));
    expect([fault.code, fault.hint]).toEqual(["usage", hint]);
  });

  test("is never one of slum's own hosts", () => {
    const own = new Set(["localhost", "slum.example.com"]);
    expect(faultOf(() => refuseOwnHost("slum.example.com", own)).code).toBe("conflict");
    expect(faultOf(() => refuseOwnHost("localhost", own)).code).toBe("conflict");
    expect(refuseOwnHost("acme.example.com", own)).toBeUndefined();
  });
});
