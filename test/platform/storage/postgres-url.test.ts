// The URL of a database: what is shown of it, which is never a password, and that the way to another machine is protected.
import { expect, test } from "bun:test";
import {
  hasPassword,
  isVerified,
  refuseUnprotected,
  withoutPassword,
} from "../../../src/platform/storage/postgres-url.ts";

test.each([
  ["postgres://slum@h/db", "postgres://slum@h/db", false],
  ["postgres://slum:geheim@h:5432/db?sslmode=require", "postgres://slum@h:5432/db", true],
  ["postgres://slum@h/db?password=geheim", "postgres://slum@h/db", true],
  ["postgres://slum:ge/heim@h/db", "postgres://h/db", true],
  ["postgres://slum:12/geheim@h/db", "postgres://h/db", true],
  ["postgres://slum:12?geheim@h/db", "postgres://h/db", true],
  ["postgres://slum:12#geheim@h/db", "postgres://h/db", true],
  ["postgres://slum@h/db#geheim", "postgres://slum@h/db", false],
  ["https://hooks.example.com/@team", "https://hooks.example.com/@team", false],
  ["postgres://slum:geheim@h/db?sslrootcert=/a@b", "postgres://slum@h/db", true],
])("%s is shown as %s", (text, shown, isSecret) => {
  expect([withoutPassword(text), hasPassword(text)]).toEqual([shown, isSecret]);
});

test.each([
  "postgres://slum:geheim@db.example.com/slum",
  "postgres://slum@10.0.0.7:5432/slum",
  "postgres://slum:12/geheim@db/slum",
  "postgres://slum@[2001:db8::1]/slum",
  "postgres://slum@127.0.0.1.example.com/slum",
])("%s is refused, as nobody has said whether it may be in clear text", (text) => {
  expect(() => refuseUnprotected(text)).toThrow("does not say how the way to it is protected");
  expect(() => refuseUnprotected(text)).not.toThrow("geheim");
});

test.each([
  ["postgres://slum@db.example.com/slum?sslmode=verify-full", true],
  ["postgres://slum:12/geheim@db/slum?a=b&sslmode=verify-ca", true],
  ["postgres://slum@db.example.com/slum?sslmode=require", false],
  ["postgres://slum@db.example.com/slum?sslmode=disable", false],
  ["postgres://slum@localhost/slum", false],
  ["postgres://slum@db.localhost/slum", false],
  ["postgres://slum@127.0.0.9:5432/slum", false],
  ["postgres://slum@[::1]/slum", false],
  ["postgres:///slum?user=slum&host=/var/run/postgresql", false],
  ["postgres://slum@%2Fvar%2Frun%2Fpostgresql/slum", false],
])("%s is taken, with its certificate verified: %p", (text, verified) => {
  expect(() => refuseUnprotected(text)).not.toThrow();
  expect(isVerified(text)).toBe(verified);
});
