// Operations on one key go one after the other; nobody waits for ever, and nobody waits for another key.
import { describe, expect, test } from "bun:test";
import { Fault } from "../../../src/core/fault.ts";
import { createKeyedLock, type Turn } from "../../../src/platform/time/keyed-lock.ts";
import { createManualClock } from "../../support/manual-clock.ts";

function setup(maxWaiting?: number) {
  const clock = createManualClock();
  const serial = createKeyedLock(clock, maxWaiting);
  const log: string[] = [];
  /** Asks for a turn whose work ends when the test says so. */
  function ask(name: string, more: Partial<Turn> & { key?: string } = {}) {
    const work = Promise.withResolvers<string>();
    const { key = "api", ...turn } = more;
    const done = serial.run(key, { name, waitMs: 1000, ...turn }, () => {
      log.push(name);
      return work.promise;
    });
    done.catch(() => {});
    return { done, end: () => work.resolve(name), fail: () => work.reject(new Error(name)) };
  }
  return { clock, serial, log, ask };
}

describe("turns", () => {
  test("come in the order asked for, one at a time", async () => {
    const { ask, log, serial } = setup();
    const [a, b, c] = [ask("a"), ask("b"), ask("c")];
    await Bun.sleep(0);
    expect(log).toEqual(["a"]);
    expect(serial.holder("api")).toBe("a");
    a.end();
    expect(await a.done).toBe("a");
    await Bun.sleep(0);
    expect(log).toEqual(["a", "b"]);
    b.end();
    c.end();
    await c.done;
    expect(log).toEqual(["a", "b", "c"]);
    expect(serial.holder("api")).toBeUndefined();
  });

  test("of different keys do not wait for each other", async () => {
    const { ask, log } = setup();
    ask("a");
    ask("b", { key: "web" });
    await Bun.sleep(0);
    expect(log).toEqual(["a", "b"]);
  });

  test("go on after work that fails", async () => {
    const { ask, log } = setup();
    const [a, b] = [ask("a"), ask("b")];
    await Bun.sleep(0);
    a.fail();
    await expect(a.done).rejects.toThrow("a");
    b.end();
    expect(await b.done).toBe("b");
    expect(log).toEqual(["a", "b"]);
  });
});

describe("waiting", () => {
  test("is told for whom, once, and only to those who wait", async () => {
    const { ask } = setup();
    const told: string[] = [];
    ask("a", { onWait: (holder) => told.push(`a for ${holder}`) });
    ask("b", { onWait: (holder) => told.push(`b for ${holder}`) });
    ask("c", { onWait: (holder) => told.push(`c for ${holder}`) });
    expect(told).toEqual(["b for a", "c for a"]);
  });

  test("ends with a fault that names the holder, and the others keep their order", async () => {
    const { ask, clock, log } = setup();
    const a = ask("a");
    const b = ask("b", { waitMs: 500 });
    const c = ask("c");
    await clock.advance(500);
    const fault = await b.done.catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(Fault);
    expect(fault).toMatchObject({
      code: "stopped_waiting",
      message: "b has waited 0.5 s for a; nothing was changed",
    });
    a.end();
    c.end();
    await c.done;
    expect(log).toEqual(["a", "c"]);
  });

  test("is bounded by time only while waiting, not while working", async () => {
    const { ask, clock } = setup();
    const a = ask("a", { waitMs: 10 });
    await clock.advance(60_000);
    a.end();
    expect(await a.done).toBe("a");
  });

  test("can be given up, before and while waiting; not once the work runs", async () => {
    const { ask, log } = setup();
    const abort = new AbortController();
    const a = ask("a", { signal: abort.signal });
    const b = ask("b", { signal: abort.signal });
    await Bun.sleep(0);
    abort.abort(new Error("gone"));
    await expect(b.done).rejects.toThrow("gone");
    await expect(ask("c", { signal: abort.signal }).done).rejects.toThrow("gone");
    a.end();
    expect(await a.done).toBe("a");
    expect(log).toEqual(["a"]);
  });

  test("has a bound on how many", async () => {
    const { ask } = setup(2);
    for (const name of ["a", "b", "c"]) ask(name);
    expect(await ask("d").done.catch((error: unknown) => error)).toMatchObject({
      code: "conflict",
      message: "d was refused: 2 others wait for api already",
    });
  });
});
