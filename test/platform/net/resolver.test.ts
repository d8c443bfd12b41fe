// Addresses of names: nobody waits for them, and none is lost while DNS fails.
import { describe, expect, test } from "bun:test";
import { createResolver } from "../../../src/platform/net/resolver.ts";
import { createManualClock } from "../../support/manual-clock.ts";

function start(first: readonly string[] | Error) {
  const clock = createManualClock();
  let answer: readonly string[] | Error = first;
  let asked = 0;
  const lookup = async () => {
    asked += 1;
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const resolver = createResolver({ clock, refreshMs: 30_000, lookup });
  return {
    clock,
    resolver,
    asked: () => asked,
    answerWith: (next: readonly string[] | Error) => {
      answer = next;
    },
  };
}

describe("the resolver", () => {
  test("knows a name after the first look-up, and follows a change within half a minute", async () => {
    const { clock, resolver, answerWith } = start(["192.0.2.1"]);
    expect(resolver.address("a.example.com")).toBeUndefined();
    await resolver.watch("a.example.com");
    expect(resolver.address("a.example.com")).toBe("192.0.2.1");
    answerWith(["192.0.2.9"]);
    await clock.advance(30_000);
    expect(resolver.address("a.example.com")).toBe("192.0.2.9");
  });

  test("keeps the last address while DNS fails, and says why", async () => {
    const { clock, resolver, answerWith } = start(["192.0.2.1"]);
    await resolver.watch("a.example.com");
    answerWith(new Error("SERVFAIL"));
    await clock.advance(90_000);
    expect(resolver.address("a.example.com")).toBe("192.0.2.1");
    expect(resolver.error("a.example.com")).toContain("SERVFAIL");
  });

  test("asks again at once for a name that was never found", async () => {
    const { resolver, answerWith, asked } = start(new Error("ENOTFOUND"));
    await resolver.watch("a.example.com");
    await resolver.watch("a.example.com");
    expect([asked(), resolver.address("a.example.com")]).toEqual([2, undefined]);
    answerWith(["192.0.2.1"]);
    await resolver.watch("a.example.com");
    await resolver.watch("a.example.com");
    expect([asked(), resolver.address("a.example.com")]).toEqual([3, "192.0.2.1"]);
  });

  test("stays with an address that the name still has, and goes to the next one when it is passed over", async () => {
    const { clock, resolver, answerWith } = start(["192.0.2.1", "192.0.2.2"]);
    await resolver.watch("a.example.com");
    answerWith(["192.0.2.2", "192.0.2.1"]);
    await clock.advance(30_000);
    expect(resolver.address("a.example.com")).toBe("192.0.2.1");
    resolver.passOver("a.example.com");
    expect(resolver.address("a.example.com")).toBe("192.0.2.2");
  });

  test("starts with remembered addresses, and takes an address for its own name", async () => {
    const { resolver, asked } = start(new Error("ENOTFOUND"));
    resolver.remember({ "a.example.com": "192.0.2.7" });
    await resolver.watch("a.example.com");
    expect(resolver.address("a.example.com")).toBe("192.0.2.7");
    expect(resolver.known()).toEqual({ "a.example.com": "192.0.2.7" });
    await resolver.watch("192.0.2.8");
    expect(resolver.address("192.0.2.8")).toBe("192.0.2.8");
    expect(asked()).toBe(1);
  });
});
