// What is shown of the URL of a database: who, where, which, and never a password, however it is written.
import { expect, test } from "bun:test";
import { hasPassword, withoutPassword } from "../../../src/platform/storage/postgres.ts";

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
