// A data plane for tests, with everything a program would give it, and what it told the program.
import type { DataPlane, DataPlaneOptions, Wanted } from "../../src/proxy/data-plane.ts";
import type { TargetTraffic } from "../../src/proxy/traffic-counters.ts";
import { until } from "./until.ts";

export type PlaneFactory = (options: DataPlaneOptions) => DataPlane | Promise<DataPlane>;

export interface TestPlane extends AsyncDisposable {
  readonly plane: DataPlane;
  /** What was reported, `api:v1 refused`. */
  readonly trouble: string[];
  /** Resolves with it when so much has been reported: workers tell theirs a moment after the answer. */
  troubled(count: number): Promise<string[]>;
  readonly wanted: Wanted[];
  /** A request for a host, whatever the listener's address; redirects are not followed. */
  get(host: string, path?: string, init?: RequestInit): Promise<Response>;
  /** Resolves with the counters of `api:v1` when they are as expected: workers tell theirs every 0.1 s. */
  counted(expected: Partial<TargetTraffic>): Promise<TargetTraffic>;
}

/** Names every product field as `ten` does. */
export async function startPlane(
  create: PlaneFactory,
  changes: Partial<DataPlaneOptions> = {},
  onWanted: (wanted: Wanted) => Promise<void> | void = () => {},
): Promise<TestPlane> {
  const trouble: string[] = [];
  const wanted: Wanted[] = [];
  const plane = await create({
    host: "127.0.0.1",
    port: 0,
    domain: "example.com",
    directHosts: true,
    adminHost: "ten.example.com",
    trustedProxies: [],
    fields: {
      target: "X-Ten-Instance",
      attempts: "X-Ten-Attempts",
      error: "X-Ten-Error",
      passed: "X-Ten-Passed",
      selector: "X-Tenement-Instance",
    },
    hooks: {
      own: (_, { peer, peerTrusted }) => new Response(`own ${peer} ${peerTrusted}`),
      onTrouble: (id, kind) => void trouble.push(`${id} ${kind}`),
      onWanted(each) {
        wanted.push(each);
        return onWanted(each);
      },
    },
    ...changes,
  });
  return {
    plane,
    trouble,
    troubled: (count) =>
      until(`${count} troubles are reported`, () => (trouble.length >= count ? trouble : undefined)),
    wanted,
    get: (host, path = "/", init = {}) =>
      fetch(new URL(path, plane.url), {
        redirect: "manual",
        decompress: false,
        ...init,
        headers: { ...init.headers, host },
      }),
    counted: (expected) =>
      until(`traffic is ${JSON.stringify(expected)}`, () =>
        plane.traffic().find((one) => one.id === "api:v1" && Bun.deepMatch(expected, one)),
      ),
    [Symbol.asyncDispose]: () => plane[Symbol.asyncDispose](),
  };
}
