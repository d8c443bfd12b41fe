// Requests that hang in one instance, seen from the others and from the health checks.
import { expect, test } from "bun:test";
import { until } from "../support/until.ts";
import { wireClient } from "../support/wire.ts";
import { startTen } from "./ten.ts";

const HANGING = 300;

test("300 hanging requests to one instance delay no other instance and no health check", async () => {
  await using ten = await startTen();
  await ten.ok("spawn", "api:v1");
  await ten.ok("spawn", "api:v2");
  await until("both are healthy", async () =>
    Object.values(await ten.ps()).every(({ state }) => state === "healthy"),
  );
  using clients = new DisposableStack();
  const hang = "GET /slow?ms=60000 HTTP/1.1\r\nHost: v1.api.localhost\r\n\r\n";
  for (let i = 0; i < HANGING; i++)
    clients.use(await wireClient(new URL(`http://127.0.0.1:${ten.port}`), hang));
  const inFlight = async () => {
    const { instances } = await ten.json<{ instances: { id: string; in_flight: number }[] }>("ps");
    return instances.find(({ id }) => id === "api:v1")?.in_flight;
  };
  await until("all hang", async () => (await inFlight()) === HANGING);
  for (let i = 0; i < 100; i++) expect((await ten.get("v2.api.localhost")).instance).toBe("api:v2");
  for (const id of ["api:v1", "api:v2"]) {
    const check = await ten.json<{ healthy: boolean; latency_ms: number }>("health", id);
    expect([id, check.healthy, check.latency_ms < 500]).toEqual([id, true, true]);
  }
  expect(await inFlight()).toBe(HANGING);
  clients.dispose();
  await until("those who left are forgotten", async () => (await inFlight()) === 0);
});
