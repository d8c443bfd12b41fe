// The URL of a server: what it may say, and what each refusal tells the person.
import { describe, expect, test } from "bun:test";
import { Fault } from "../../../src/core/fault.ts";
import { parseServerUrl } from "../../../src/slum/fleet/server-url.ts";

function faultOf(text: string): Fault {
  try {
    parseServerUrl(text);
  } catch (thrown) {
    if (thrown instanceof Fault) return thrown;
  }
  throw new Error(`${text} was accepted`);
}

describe("the URL of a server", () => {
  test("has a scheme, a host and a port", () => {
    expect(parseServerUrl("https://myapp-iad.fly.dev")).toEqual({
      origin: "https://myapp-iad.fly.dev",
      tls: { serverName: "myapp-iad.fly.dev" },
      host: "myapp-iad.fly.dev",
      port: 443,
      hostHeader: "myapp-iad.fly.dev",
    });
    expect(parseServerUrl("HTTP://App.Example.com:8080/")).toMatchObject({
      origin: "http://app.example.com:8080",
      port: 8080,
      hostHeader: "app.example.com:8080",
    });
    expect(parseServerUrl("http://[::1]:81")).toMatchObject({ host: "::1", hostHeader: "[::1]:81" });
    expect(parseServerUrl("https://[::1]:81").tls).toEqual({ serverName: "" });
    expect(parseServerUrl("https://app.example.com:443").origin).toBe("https://app.example.com");
  });

  test.each([
    ["myapp.fly.dev", "begin it with https:// or http://"],
    ["ftp://myapp.fly.dev", "write https://myapp.fly.dev"],
    ["https://myapp.fly.dev/api", "write https://myapp.fly.dev"],
    ["https://myapp.fly.dev/?x=1", "write https://myapp.fly.dev"],
    ["https://myapp.fly.dev?", "write https://myapp.fly.dev"],
    ["https://myapp.fly.dev#top", "write https://myapp.fly.dev"],
    ["https://user:secret@myapp.fly.dev", "write https://myapp.fly.dev"],
    ["https://", "write https://host or http://host:8080"],
    ["https://exa mple.com", "write https://host or http://host:8080"],
    ["http://host:99999", "write https://host or http://host:8080"],
  ])("%s is refused with advice", (text, hint) => {
    const fault = faultOf(text);
    expect([fault.code, fault.hint]).toEqual(["usage", hint]);
    expect(fault.message).not.toContain("secret");
  });
});
