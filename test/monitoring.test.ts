// What docs/monitoring ships loads, and the pages that it is about are as Prometheus wants them.
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { BUCKET_COUNT } from "../src/core/latency-histogram.ts";
import { NONE_UNANSWERED } from "../src/proxy/traffic-counters.ts";
import { metricsPage as slumMetricsPage } from "../src/slum/api/metrics.ts";
import { metricsPage } from "../src/ten/api/metrics.ts";
import type { InstanceView } from "../src/ten/api/shapes.ts";

const DIRECTORY = join(import.meta.dir, "../docs/monitoring");
const promtool = Bun.which("promtool");

function check(...words: string[]) {
  const { exitCode, stdout, stderr } = Bun.spawnSync([promtool ?? "", ...words], { cwd: DIRECTORY });
  return { exitCode, text: `${stdout}${stderr}` };
}

function instance(service: string, id: string): InstanceView {
  const named = { id: `${service}:${id}`, instance: `${service}:${id}`, service, version: "v1" };
  const idle = { idle_secs: 0, restarts: 2, last_exit: null, next_try_secs: null, differs: [], in_flight: 1 };
  const rates = { requests_per_sec: 1, error_percent: 0, error_window_secs: 10, p95_ms: 1 };
  return {
    ...named,
    ...idle,
    ...rates,
    ...{ state: "healthy", health: "healthy", reason: "", weight: 100, share: 33.33, port: 1, pid: 1 },
    ...{ uptime_secs: 1, requests: 3, errors: 1, cpu_percent: 5, cpu_secs: 12.5, memory_bytes: 5e7 },
    ...{ url: "", created_at: "", deployed: 1, next_run: null, exposed: null },
  } as InstanceView;
}

const times = new Array<number>(BUCKET_COUNT).fill(0).fill(3, 100, 400);
const history = {
  names: () => ["api", "api/v1", "api:0"],
  totals: () => ({ statuses: [0, 5, 1, 2, 3], failures: 4 }),
  ownTotals: () => [],
} as unknown as Parameters<typeof metricsPage>[3];

function page(instances: number): string {
  const views = Array.from({ length: instances }, (_, n) => instance("api", String(n)));
  const traffic = views.map(({ id }) => ({
    id,
    ...{ inFlight: 1, idleMs: 0, requests: 900, failures: 4, unanswered: NONE_UNANSWERED },
    ...{ statuses: [0, 5, 1, 2, 3], buckets: times },
  }));
  return metricsPage(views, () => true, traffic, history, [], "0.1.0", 3);
}

function slumPage(server: string): string {
  const status = {
    servers: [{ id: server, status: "online", requests: 1, failures: 0, in_flight: 0, latency_ms: 1 }],
    ...{ tenants: 1, unroutable_total: 0, webhooks: { waiting: 0 } },
    registry: { ok: true, age_secs: 0, slums: 1, snapshot_age_secs: null },
  };
  const view = { status: () => status } as unknown as Parameters<typeof slumMetricsPage>[0];
  return slumMetricsPage(view, "0.1.0", history as unknown as Parameters<typeof slumMetricsPage>[2]);
}

describe.skipIf(promtool === null)("promtool (skipped where there is none)", () => {
  test("takes the alert rules, and their tests pass", () => {
    expect(check("check", "rules", "alerts.yml")).toMatchObject({ exitCode: 0 });
    expect(check("test", "rules", "alerts.test.yml")).toMatchObject({ exitCode: 0 });
  });

  test("is content with the names and units of the metrics", () => {
    const { exitCode, stdout, stderr } = Bun.spawnSync([promtool ?? "", "check", "metrics"], {
      stdin: Buffer.from(page(3)),
    });
    expect([`${stdout}${stderr}`, exitCode]).toEqual(["", 0]);
  });

  test("is content with those of slum, whatever a label holds", () => {
    const sly = 'a"b\\c\nd\te\u001b\u2028é';
    const { exitCode, stdout, stderr } = Bun.spawnSync([promtool ?? "", "check", "metrics"], {
      stdin: Buffer.from(slumPage(sly)),
    });
    expect([`${stdout}${stderr}`, exitCode]).toEqual(["", 0]);
    expect(slumPage(sly)).toContain('slum_server_up{server="a\\"b\\\\c\\nd\te\u001b\u2028é"} 1\n');
  });
});

const namesOf = (text: string) => [...text.matchAll(/^# HELP (\w+)/gm)].map(([, name = ""]) => name);

test("every metric of slum is told of", async () => {
  const text = await Bun.file(join(DIRECTORY, "README.md")).text();
  const told = [...text.matchAll(/`(slum_\w+)`/g)].map(([, name]) => name);
  expect(told.sort()).toEqual(namesOf(slumPage("iad")).sort());
});

test("a version has its counters from the beginning, so that its first errors are counted", () => {
  const fresh = { ...instance("api", "0"), version: "v9" };
  const text = metricsPage([fresh], () => true, [], history, [], "0.1.0", 0);
  const nothing = { ...history, names: () => [], totals: () => undefined } as unknown as typeof history;
  const first = metricsPage([fresh], () => true, [], nothing, [], "0.1.0", 0);
  for (const one of [text, first])
    expect(one).toContain('ten_version_requests_total{service="api",version="v9",code="5xx"} ');
  expect(first).toContain('ten_version_requests_total{service="api",version="v9",code="5xx"} 0\n');
});

test("the rules and the board are about metrics that there are", async () => {
  const there = new Set([...namesOf(page(1)), ...namesOf(slumPage("iad"))]);
  const files = await Promise.all(
    ["alerts.yml", "grafana-ten.json"].map((file) => Bun.file(join(DIRECTORY, file)).text()),
  );
  const named = files.flatMap((text) =>
    [...text.matchAll(/\b((?:ten|slum)_[a-z0-9_]+)/g)].map(([, name = ""]) => name),
  );
  const labels = new Set(["ten_instance"]);
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((name) => !labels.has(name) && !there.has(name.replace(/_bucket$/, "")))).toEqual([]);
});

test("the board is one that Grafana loads: panels with targets, at places of their own", async () => {
  const board = (await Bun.file(join(DIRECTORY, "grafana-ten.json")).json()) as {
    readonly schemaVersion: number;
    readonly uid: string;
    readonly panels: readonly {
      readonly id: number;
      readonly type: string;
      readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
      readonly targets: readonly { readonly expr: string; readonly refId: string }[];
    }[];
  };
  expect([typeof board.uid, board.schemaVersion > 30]).toEqual(["string", true]);
  expect(new Set(board.panels.map(({ id }) => id)).size).toBe(board.panels.length);
  for (const { gridPos, targets } of board.panels) {
    expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    expect(targets.every(({ expr, refId }) => expr.length > 5 && refId === "A")).toBe(true);
  }
});

test("a page of a thousand instances is made within 50 ms of processor time", () => {
  page(1_000);
  const before = process.cpuUsage();
  for (let n = 0; n < 5; n++) page(1_000);
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1_000 / 5).toBeLessThan(250);
});
