// Signatures as an independent library reads them.
import { describe, expect, test } from "bun:test";
import { Webhook } from "standardwebhooks";
import { newSecret, signedHeaders } from "../../src/webhooks/signature.ts";

const body = '{"type":"server.offline","timestamp":"2026-01-01T00:00:00.000Z","data":{}}';

function headersOf(secrets: readonly string[]) {
  return Object.fromEntries(
    signedHeaders({ id: "msg_1", timestampSecs: Math.floor(Date.now() / 1000), body }, secrets),
  );
}

describe("a signed message", () => {
  test("is accepted by the reference library with the secret, and refused without", () => {
    const secret = newSecret();
    expect(new Webhook(secret).verify(body, headersOf([secret]))).toMatchObject({ type: "server.offline" });
    expect(() => new Webhook(newSecret()).verify(body, headersOf([secret]))).toThrow();
    expect(() => new Webhook(secret).verify(`${body} `, headersOf([secret]))).toThrow();
  });

  test("carries two signatures during a rotation, so that either secret accepts it", () => {
    const [fresh, old] = [newSecret(), newSecret()];
    expect(new Webhook(fresh).verify(body, headersOf([fresh, old]))).toBeDefined();
    expect(new Webhook(old).verify(body, headersOf([fresh, old]))).toBeDefined();
  });
});
