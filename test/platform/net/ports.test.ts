// Ports are chosen free, in range, and away from those of outgoing connections.
import { describe, expect, test } from "bun:test";
import { Fault } from "../../../src/core/fault.ts";
import {
  choosePort,
  isFree,
  type PortRange,
  parsePortRange,
  readEphemeral,
} from "../../../src/platform/net/ports.ts";

const nowhere = { range: { first: 1, last: 1 }, reserved: [] };
const listen = (hostname: string, port = 0) => Bun.listen({ hostname, port, socket: { data() {} } });

function fault(act: () => unknown): Fault {
  try {
    act();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("no fault");
}

test.each([
  ["20000-29999", { first: 20000, last: 29999 }],
  ["80-80", { first: 80, last: 80 }],
  ["29999-20000", undefined],
  ["0-10", undefined],
  ["1-65536", undefined],
  ["8080", undefined],
  ["a-b", undefined],
])("the range %p is %p", (text, range) => {
  expect(parsePortRange(text)).toEqual(range as PortRange);
});

test("the system's own range is read, and holds the port that a connection gets", async () => {
  using server = listen("127.0.0.1");
  const client = await Bun.connect({ hostname: "127.0.0.1", port: server.port, socket: { data() {} } });
  const { range } = readEphemeral();
  expect(client.localPort).toBeWithin(range.first, range.last + 1);
  client.terminate();
});

describe("choosePort", () => {
  test.each(["127.0.0.1", "0.0.0.0", "::"])(
    "a port that somebody listens on at %s is passed over",
    (hostname) => {
      using holder = listen(hostname);
      const range = { first: holder.port, last: holder.port };
      expect(isFree(holder.port)).toBe(false);
      const none = fault(() => choosePort({ range, taken: new Set(), chance: 0, ephemeral: nowhere }));
      expect(none).toMatchObject({
        code: "conflict",
        message: `no port of ${holder.port}-${holder.port} is free`,
      });
      holder.stop(true);
      expect(choosePort({ range, taken: new Set(), chance: 0, ephemeral: nowhere })).toBe(holder.port);
    },
  );

  // Below what instances and tests get, so that nobody has them by chance.
  test("taken ports are passed over, and the search goes once round from where chance says", () => {
    const range = { first: 1910, last: 1913 };
    const choose = (chance: number, ...taken: number[]) => {
      const free = range.last - range.first + 1 - taken.length;
      expect(free).toBeGreaterThan(0);
      return choosePort({ range, taken: new Set(taken), chance, ephemeral: nowhere });
    };
    expect(choose(0.5)).toBe(1912);
    expect(choose(0.99, 1913)).toBe(1910);
    expect(choose(0.99, 1913, 1910, 1911)).toBe(1912);
  });

  test("ephemeral ports are never given out, unless the system has them reserved", () => {
    const range = { first: 1910, last: 1920 };
    const ephemeral = { range: { first: 1900, last: 1919 }, reserved: [] };
    expect(choosePort({ range, taken: new Set(), chance: 0, ephemeral })).toBe(1920);
    const reserved = { ...ephemeral, reserved: [{ first: 1915, last: 1915 }] };
    expect(choosePort({ range, taken: new Set(), chance: 0, ephemeral: reserved })).toBe(1915);
    const inside = { first: 1910, last: 1912 };
    const refused = fault(() => choosePort({ range: inside, taken: new Set(), chance: 0, ephemeral }));
    expect(refused.message).toContain("outgoing connections (1900-1919)");
    expect(refused.hint).toContain("ip_local_reserved_ports=1910-1912");
  });
});
