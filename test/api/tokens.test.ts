// Tokens over their life: made, used, expired, revoked, replaced; and what their holders and others are told.
import { describe, expect, test } from "bun:test";
import { createAccess } from "../../src/api/access.ts";
import { hashToken, newToken } from "../../src/api/token.ts";
import { createTokens, type NewToken } from "../../src/api/tokens.ts";
import { Fault } from "../../src/core/fault.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { memoryTokens, tokenRow } from "./token-table.ts";

const PEER = { door: "network", address: "192.0.2.1", trusted: false } as const;
const DAY_MS = 24 * 3600_000;

function setUp() {
  const clock = createManualClock();
  const kept = memoryTokens();
  const tokens = createTokens("ten", kept.table, clock);
  const bursts: string[] = [];
  const access = createAccess("ten", tokens, clock, (address) => bursts.push(address));
  const ask = (token: string) => {
    const request = new Request("http://x/", { headers: { Authorization: `Bearer ${token}` } });
    return access.authorise(request, PEER);
  };
  const create = (more: Partial<NewToken> = {}) =>
    tokens.create(
      { name: "ci", scope: "deploy", services: undefined, tenant: undefined, expiresMs: undefined, ...more },
      "root",
    );
  return { clock, kept, tokens, access, ask, create, bursts };
}

function messageFor(ask: () => unknown): string {
  try {
    ask();
  } catch (thrown) {
    if (thrown instanceof Fault) return `${thrown.code}: ${thrown.message}`;
    throw thrown;
  }
  return "none";
}

test("a token has a name, a scope and services, and only its hash is kept", async () => {
  const { kept, ask, create } = setUp();
  const { token } = await create({ services: ["api"] });
  expect(ask(token).principal).toEqual({ name: "ci", scope: "deploy", services: ["api"] });
  expect(JSON.stringify([...kept.rows.values()])).not.toContain(token);
  expect(kept.rows.get(hashToken(token))).toMatchObject({ name: "ci", createdBy: "root" });
  expect(kept.events).toEqual(["token.created ci: deploy, for api"]);
});

describe("a token that does not count says why to its holder", () => {
  test("when it has expired", async () => {
    const { clock, ask, create } = setUp();
    const { token } = await create({ expiresMs: 60_000 });
    const { ended } = ask(token);
    await clock.advance(60_000);
    expect(messageFor(() => ask(token))).toMatch(/^unauthorised: the token ci has expired at /);
    await clock.advance(1_000);
    expect([ended.aborted, messageFor(() => ended.throwIfAborted())]).toEqual([
      true,
      expect.stringContaining("has expired"),
    ]);
  });

  test("when it was revoked, and what it has open ends at once", async () => {
    const { tokens, ask, create } = setUp();
    const { token } = await create();
    const { ended } = ask(token);
    await tokens.revoke("ci");
    expect([ended.aborted, messageFor(() => ask(token))]).toEqual([
      true,
      expect.stringMatching(/^unauthorised: the token ci was revoked at /),
    ]);
    expect(tokens.list()).toEqual([]);
  });

  test("when it was revoked by another process, within a second", async () => {
    const { clock, kept, ask, create } = setUp();
    const { token } = await create();
    const { ended } = ask(token);
    await kept.table.write((writer) => writer.change(hashToken(token), { revokedAt: 1 }));
    expect(ended.aborted).toBe(false);
    await clock.advance(1_000);
    expect(ended.aborted).toBe(true);
  });

  test.each([
    ["another server's", newToken("ten"), "that token is not valid: this server has not made it"],
    ["slum's", newToken("slum"), "that token is of slum, and this is ten"],
    [
      "mistyped by one letter",
      `${newToken("ten").slice(0, -1)}!`,
      "that token is mistyped or cut: its checksum does not fit",
    ],
    ["an old one that nobody knows", "x".repeat(43), "that token is not valid: this server has not made it"],
  ])("when it is %s", (_, token, message) => {
    const { ask } = setUp();
    expect(messageFor(() => ask(token))).toBe(`unauthorised: ${message}`);
  });
});

test("a token that replaces another has its name, scope and life, and the other counts for the overlap", async () => {
  const { clock, tokens, ask, create, kept } = setUp();
  const { token: old } = await create({ services: ["api"], expiresMs: 600_000 });
  await clock.advance(60_000);
  const { token, row } = await tokens.rotate("ci", 30_000, "ops");
  expect(row).toMatchObject({ name: "ci", services: ["api"], createdBy: "ops" });
  expect((row.expiresAt ?? 0) - clock.now()).toBe(600_000);
  expect([ask(old).principal.name, ask(token).principal.name]).toEqual(["ci", "ci"]);
  await clock.advance(30_000);
  expect([messageFor(() => ask(old)), messageFor(() => ask(token))]).toEqual([
    expect.stringContaining("has expired"),
    "none",
  ]);
  expect(kept.events.at(-1)).toStartWith("token.rotated ci, the old one until ");
  await tokens.revoke("ci");
  expect(messageFor(() => ask(token))).toContain("was revoked");
});

test("without an overlap the other one counts no more", async () => {
  const { tokens, ask, create } = setUp();
  const { token: old } = await create();
  const { ended } = ask(old);
  await tokens.rotate("ci", 0, "ops");
  expect([ended.aborted, messageFor(() => ask(old))]).toEqual([true, expect.stringContaining("has expired")]);
});

test("a name is one token's at a time, and free again when that has ended", async () => {
  const { tokens, create } = setUp();
  await create();
  expect(await create().catch((thrown) => thrown.code)).toBe("conflict");
  await tokens.revoke("ci");
  await create({ scope: "read" });
  expect(tokens.list().map(({ name, scope }) => [name, scope])).toEqual([["ci", "read"]]);
  for (const wrong of [tokens.revoke("none"), tokens.rotate("none", 0, null)])
    expect(await wrong.catch((thrown) => thrown.code)).toBe("not_found");
});

test.each([
  ["a tenant's token without a tenant", { scope: "tenant" }],
  ["another's with one", { tenant: "acme" }],
  ["an admin's for some services", { scope: "admin", services: ["api"] }],
] as const)("%s is refused", async (_, more) => {
  const { create, kept } = setUp();
  expect(await create(more).catch((thrown) => thrown.code)).toBe("usage");
  expect(kept.rows.size).toBe(0);
});

test("the last use is seen at once, and written once a minute", async () => {
  const { clock, tokens, ask, create, kept } = setUp();
  const { token } = await create();
  const written = () => kept.rows.get(hashToken(token))?.usedFrom;
  ask(token);
  expect([tokens.list()[0]?.usedFrom, written()]).toEqual([PEER.address, null]);
  await clock.advance(60_000);
  expect(written()).toBe(PEER.address);
});

test("what has ended is forgotten after 90 days", async () => {
  const { clock, create, kept } = setUp();
  const ended = (days: number) => tokenRow(`old-${days}`, { revokedAt: clock.now() - days * DAY_MS });
  for (const row of [ended(89), ended(91)]) kept.rows.set(row.hash, row);
  await create();
  expect([...kept.rows.keys()]).toEqual([ended(89).hash, expect.any(String)]);
});

test("many wrong tokens from one address are told of once in a minute", async () => {
  const { clock, ask, bursts } = setUp();
  for (let n = 0; n < 50; n += 1) messageFor(() => ask(newToken("ten")));
  expect(bursts).toEqual([PEER.address]);
  await clock.advance(60_000);
  for (let n = 0; n < 50; n += 1) messageFor(() => ask(newToken("ten")));
  expect(bursts.length).toBe(2);
});

test("one token begins at most 50 requests a second in the long run, and has at most 100 open", async () => {
  const { clock, access } = setUp();
  const principal = { name: "ci", scope: "deploy" } as const;
  const tries = (count: number) =>
    Array.from({ length: count }, () => messageFor(() => access.admit(principal)())).filter(
      (one) => one === "none",
    );
  expect(tries(1_000).length).toBe(500);
  await clock.advance(1_000);
  expect(tries(1_000).length).toBe(50);
  await clock.advance(60_000);
  const open = Array.from({ length: 100 }, () => access.admit(principal));
  expect(messageFor(() => access.admit(principal))).toStartWith("too_many: ");
  open[0]?.();
  expect(messageFor(() => access.admit(principal))).toBe("none");
});
