// Sessions: how they begin, how long they live, and everything that ends them.
import { expect, test } from "bun:test";
import { createAccess } from "../../src/api/access.ts";
import { CODE_MS, createSessions, SESSION_MS } from "../../src/api/session.ts";
import { hashToken } from "../../src/api/token.ts";
import { createTokens } from "../../src/api/tokens.ts";
import { Fault } from "../../src/core/fault.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { memoryTokens, tokenRow } from "./token-table.ts";

const HERE = "192.0.2.1";

function setUp() {
  const clock = createManualClock();
  const tokens = memoryTokens([tokenRow("admin"), tokenRow("acme", { scope: "tenant", name: "acme" })]);
  const access = createAccess("test", createTokens("test", tokens.table, clock), clock);
  return { clock, tokens, sessions: createSessions(access, clock, "test") };
}

const OWNER = { name: "owner", scope: "admin" } as const;
const ADMIN = { name: "admin", scope: "admin" } as const;

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (thrown) {
    if (thrown instanceof Fault) return thrown.code;
    throw thrown;
  }
  return "none";
}

test("a session has the scope of its token and an id that nobody can guess", () => {
  const { sessions } = setUp();
  const ids = [sessions.begin({ token: "acme" }, HERE), sessions.begin({ token: "acme" }, HERE)];
  expect(sessions.find(ids[0] ?? "")?.principal).toEqual({ name: "acme", scope: "tenant", tenant: "acme" });
  expect(ids[0]).toMatch(/^[\w-]{43}$/);
  expect(ids[0]).not.toBe(ids[1]);
  expect(sessions.find("acme")).toBeUndefined();
});

test("a session ends after its life, when it is logged out, and when its token is nobody's any more", async () => {
  const { clock, tokens, sessions } = setUp();
  const [old = "", out = "", revoked = "", other = ""] = ["admin", "admin", "acme", "admin"].map((token) =>
    sessions.begin({ token }, HERE),
  );
  const ended = [old, out, revoked].map((id) => sessions.find(id)?.ended);
  sessions.end(out);
  tokens.rows.delete(hashToken("acme"));
  expect([out, revoked].map((id) => sessions.find(id))).toEqual([undefined, undefined]);
  expect(sessions.find(other)?.principal).toEqual(ADMIN);
  await clock.advance(SESSION_MS);
  expect([old, other].map((id) => sessions.find(id))).toEqual([undefined, undefined]);
  expect(ended.map((signal) => signal?.aborted)).toEqual([true, true, true]);
});

test("wrong tokens and wrong codes count together, and a right token passes all the same", async () => {
  const { clock, sessions } = setUp();
  const tries = Array.from({ length: 11 }, (_, n) =>
    codeOf(() => sessions.begin(n % 2 ? { token: `wrong-${n}` } : { code: `wrong-${n}` }, HERE)),
  );
  expect(tries).toEqual([...Array.from({ length: 10 }, () => "unauthorised"), "too_many"]);
  expect(codeOf(() => sessions.begin({ token: "wrong" }, "192.0.2.2"))).toBe("unauthorised");
  expect(codeOf(() => sessions.begin({ token: "admin" }, HERE))).toBe("none");
  await clock.advance(60_000);
  expect(codeOf(() => sessions.begin({ code: "wrong" }, HERE))).toBe("unauthorised");
});

test("a code begins one session of the owner, once and soon", async () => {
  const { clock, sessions } = setUp();
  const code = sessions.newCode(OWNER);
  expect(sessions.find(sessions.begin({ code }, HERE))?.principal).toEqual(OWNER);
  expect(codeOf(() => sessions.begin({ code }, HERE))).toBe("unauthorised");
  const late = sessions.newCode(OWNER);
  await clock.advance(CODE_MS);
  expect(codeOf(() => sessions.begin({ code: late }, HERE))).toBe("unauthorised");
});

test("a token has at most ten sessions, of which the oldest goes first, and ends none of another's", () => {
  const { sessions } = setUp();
  const admin = sessions.begin({ token: "admin" }, HERE);
  const ids = Array.from({ length: 12 }, () => sessions.begin({ token: "acme" }, HERE));
  const isThere = (id: string) => sessions.find(id) !== undefined;
  expect(ids.map(isThere)).toEqual([false, false, ...Array(10).fill(true)]);
  expect(isThere(admin)).toBe(true);
});

test("there are at most ten codes, of which the oldest goes first", () => {
  const { sessions } = setUp();
  const codes = Array.from({ length: 11 }, () => sessions.newCode(OWNER));
  expect(codes.map((code) => codeOf(() => sessions.begin({ code }, HERE)))).toEqual([
    "unauthorised",
    ...Array(10).fill("none"),
  ]);
});
