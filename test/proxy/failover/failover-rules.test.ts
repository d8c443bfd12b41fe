// What follows a failed try at one of several servers.
import { expect, test } from "bun:test";
import { type NextStep, nextStep } from "../../../src/proxy/failover/failover-rules.ts";
import { type FailureKind, UpstreamFailure } from "../../../src/proxy/http-client.ts";

const GET = { isSafe: true, isWhole: true, wasCut: false };
const POST = { ...GET, isSafe: false };

test.each<[string, FailureKind, boolean, boolean, typeof GET, NextStep]>([
  ["a refused request was not delivered", "refused", false, false, GET, "undelivered"],
  ["nor was one that found no connection in time", "connect_timeout", false, false, POST, "undelivered"],
  ["an idle connection found closed is tried again at the same server", "reset", false, false, POST, "same"],
  [
    "a GET that was reset before its answer goes elsewhere, at a price",
    "reset",
    true,
    false,
    GET,
    "elsewhere_paid",
  ],
  ["a POST that was sent is never repeated", "reset", true, false, POST, "end"],
  ["nothing is repeated once its answer has begun", "reset", true, true, GET, "end"],
  [
    "a GET that was given up, as its server is down, goes elsewhere",
    "aborted",
    true,
    false,
    { ...GET, wasCut: true },
    "elsewhere",
  ],
  ["a visitor that leaves ends it", "aborted", true, false, GET, "gone"],
  ["garbage is an answer, if a bad one", "garbage", true, false, GET, "end"],
  ["a body that is spent cannot go anywhere", "refused", false, false, { ...POST, isWhole: false }, "end"],
  ["a late answer is no reason to ask another server", "request_timeout", true, false, GET, "end"],
])("%s", (_, kind, sent, begun, request, expected) => {
  expect(nextStep(new UpstreamFailure(kind, "", sent, begun), request)).toBe(expected);
});
