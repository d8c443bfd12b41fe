// What slum's visitors may hold, as words of a command line.
import { expect, test } from "bun:test";
import { Fault } from "../../src/core/fault.ts";
import { readLimits } from "../../src/slum/limits.ts";

test("each by its name, the last of one counts, and what is not said stays as usual", () => {
  expect(readLimits([])).toEqual({});
  expect(readLimits(["max_client_requests=9", "held_memory_mb=2", "max_client_requests=0"])).toEqual({
    maxClientRequests: 0,
    heldBytes: 2_097_152,
  });
  expect(
    readLimits(["max_client_streams=1", "max_client_connections=2", "min_body_rate=3", "min_read_rate=4"]),
  ).toEqual({ maxClientStreams: 1, maxClientConnections: 2, minBodyRate: 3, minReadRate: 4 });
});

test.each([
  ["max_client_request=1", '--limits knows no "max_client_request"'],
  ["constructor=1", '--limits knows no "constructor"'],
  ["min_read_rate", '--limits min_read_rate is a whole number from 0 on, not ""'],
  ["min_read_rate=-1", '--limits min_read_rate is a whole number from 0 on, not "-1"'],
  ["min_read_rate=1=2", '--limits min_read_rate is a whole number from 0 on, not "1"'],
  ["held_memory_mb=0", '--limits held_memory_mb is a whole number from 1 on, not "0"'],
])("%s is refused", (word, message) => {
  expect(() => readLimits([word])).toThrow(new Fault("usage", message));
});
