// Ten faults, as programs of several languages tell them: the right cause comes first.
import { describe, expect, test } from "bun:test";
import { type InstanceFacts, probableCause } from "../../src/core/probable-cause.ts";

const WELL: InstanceFacts = {
  name: "api:v2",
  state: "healthy",
  reason: "check passed: status 200",
  isAlive: true,
  lastExit: null,
  lastCheck: "status 200",
  checkPassed: true,
  answer: null,
  port: 20_001,
  listening: [20_001],
  output: ["listening on 20001"],
  memoryBytes: 50e6,
  memoryLimitBytes: null,
  diskFreeBytes: 50e9,
  weight: 100,
  errorPercent: 0,
  requests: 100,
  p95Ms: 12,
};
const DEAD: Partial<InstanceFacts> = {
  state: "failed",
  isAlive: false,
  lastExit: "exited with code 1",
  checkPassed: false,
  lastCheck: "connection refused",
  listening: null,
};
const SICK: Partial<InstanceFacts> = { state: "unhealthy", checkPassed: false };

/** The fault, what is seen of it, and what the first line has to contain. */
const FAULTS: readonly [fault: string, facts: Partial<InstanceFacts>, kind: string, says: string][] = [
  [
    "crash (node)",
    {
      ...DEAD,
      output: [
        "/app/server.js:3",
        "TypeError: cannot read properties of undefined (reading 'id')",
        "    at main (/app/server.js:3:9)",
        "Node.js v22.1.0",
      ],
    },
    "crash",
    "exited with code 1",
  ],
  [
    "crash (go)",
    {
      ...DEAD,
      lastExit: "exited with code 2",
      output: [
        "panic: runtime error: index out of range [5] with length 3",
        "",
        "goroutine 1 [running]:",
        "main.main()",
      ],
    },
    "crash",
    "exited with code 2",
  ],
  [
    "crash, nothing written",
    { ...DEAD, lastExit: "was killed by SIGSEGV", output: [] },
    "crash",
    "SIGSEGV, and wrote nothing",
  ],
  ["hang", { ...SICK, lastCheck: "timed out after 2 s, waiting for an answer" }, "hang", "it hangs"],
  [
    "hang at the start",
    { ...SICK, state: "starting", lastCheck: "timed out after 2 s, waiting for an answer" },
    "hang",
    "it hangs",
  ],
  [
    "wrong port",
    { ...SICK, state: "starting", lastCheck: "connection refused", listening: [3_000] },
    "wrong_port",
    "on 3000, not on 20001",
  ],
  [
    "no port",
    { ...SICK, lastCheck: "connection refused", listening: [] },
    "not_listening",
    "listens on no port",
  ],
  [
    "out of memory (cgroup)",
    { ...DEAD, lastExit: "was killed: out of memory (memory_limit_mb 64)", output: ["loading"] },
    "out_of_memory",
    "out of memory",
  ],
  [
    "out of memory (node)",
    {
      ...DEAD,
      lastExit: "was killed by SIGABRT",
      output: ["FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"],
    },
    "out_of_memory",
    "out of memory",
  ],
  [
    "out of memory (python)",
    {
      ...DEAD,
      output: ["Traceback (most recent call last):", '  File "app.py", line 1, in <module>', "MemoryError"],
    },
    "out_of_memory",
    "out of memory",
  ],
  [
    "missing file (node)",
    {
      ...DEAD,
      output: [
        "Error: Cannot find module './routes'",
        "Require stack:",
        "- /app/server.js",
        "{ code: 'MODULE_NOT_FOUND' }",
      ],
    },
    "missing_file",
    "a file that it needs is not there",
  ],
  [
    "missing file (python)",
    { ...DEAD, output: ["FileNotFoundError: [Errno 2] No such file or directory: 'settings.toml'"] },
    "missing_file",
    "is not there",
  ],
  [
    "missing command",
    {
      ...DEAD,
      lastExit: null,
      reason: "cannot be started: ENOENT: no such file or directory, 'releases/v2/server'",
      output: [],
    },
    "missing_file",
    "is not there",
  ],
  [
    "missing file (java)",
    { ...DEAD, output: ["Error: Unable to access jarfile app.jar"] },
    "missing_file",
    "is not there",
  ],
  [
    "bad config (env)",
    {
      ...DEAD,
      output: ["Error: environment variable DATABASE_URL is not set", "    at load (/app/config.js:9:11)"],
    },
    "bad_config",
    "configuration",
  ],
  [
    "bad config (json)",
    {
      ...DEAD,
      output: ["SyntaxError: JSON Parse error: Expected '}'", "    at parse (/app/config.ts:4:20)"],
    },
    "bad_config",
    "configuration",
  ],
  [
    "bad config (python)",
    { ...DEAD, output: ['  File "app.py", line 3', "KeyError: 'SECRET_KEY'"] },
    "bad_config",
    "configuration",
  ],
  [
    "disk full (node)",
    { ...DEAD, output: ["Error: ENOSPC: no space left on device, write"] },
    "disk_full",
    "the disk is full",
  ],
  [
    "disk full (sqlite)",
    { ...SICK, lastCheck: "status 500", answer: { status: 500, body: "database or disk is full" } },
    "disk_full",
    "the disk is full",
  ],
  ["disk full, nothing written", { ...DEAD, output: [], diskFreeBytes: 0 }, "disk_full", "the disk is full"],
  [
    "port taken (node)",
    { ...DEAD, output: ["Error: listen EADDRINUSE: address already in use 127.0.0.1:3000"] },
    "port_taken",
    "taken",
  ],
  [
    "port taken (python)",
    { ...DEAD, output: ["OSError: [Errno 98] Address already in use"] },
    "port_taken",
    "taken",
  ],
  [
    "port taken (go)",
    { ...DEAD, output: ["listen tcp :8080: bind: address already in use"] },
    "port_taken",
    "taken",
  ],
  [
    "DNS (node)",
    { ...DEAD, output: ["Error: getaddrinfo ENOTFOUND db.internal", "  errno: -3008, code: 'ENOTFOUND'"] },
    "dns",
    "DNS",
  ],
  [
    "DNS (postgres)",
    {
      ...DEAD,
      output: ['could not translate host name "db.internal" to address: Name or service not known'],
    },
    "dns",
    "DNS",
  ],
  [
    "DNS (go), alive",
    {
      ...SICK,
      lastCheck: "status 503",
      answer: { status: 503, body: "" },
      output: ["dial tcp: lookup db.internal: no such host"],
    },
    "dns",
    "DNS",
  ],
  [
    "TLS (node)",
    {
      ...DEAD,
      output: ["Error: self-signed certificate in certificate chain", "  code: 'SELF_SIGNED_CERT_IN_CHAIN'"],
    },
    "tls",
    "TLS",
  ],
  ["TLS (go)", { ...DEAD, output: ["x509: certificate signed by unknown authority"] }, "tls", "TLS"],
  [
    "TLS (python), while it serves",
    {
      errorPercent: 40,
      output: [
        "ssl.SSLError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired",
      ],
    },
    "tls",
    "fails 40 % of its requests",
  ],
];

describe("ten faults", () => {
  test.each(FAULTS)("%s", (_, facts, kind, says) => {
    const found = probableCause({ ...WELL, ...facts });
    expect([found.kind, found.text]).toEqual([kind, expect.stringContaining(says)]);
    expect(found.hint).not.toBe("");
  });
});

test("the words that it goes by are the last that tell, not the frames of a stack", () => {
  const output = [
    "booting",
    "TypeError: x is not a function",
    "    at f (/app/a.js:1:1)",
    "Bun v1.4.5 (Linux x64)",
  ];
  expect(probableCause({ ...WELL, ...DEAD, output }).evidence).toBe("TypeError: x is not a function");
});

test.each([
  ["well", {}, "well"],
  ["a canary that fails", { errorPercent: 5.2, output: ["ReferenceError: cart is not defined"] }, "errors"],
  ["slow", { p95Ms: 9_000 }, "slow"],
  ["without weight", { weight: 0 }, "no_traffic"],
  ["near its limit", { memoryBytes: 99e6, memoryLimitBytes: 100e6 }, "out_of_memory"],
  ["stopped", { state: "stopped", isAlive: false }, "stopped"],
  ["asleep", { state: "sleeping", isAlive: false }, "sleeping"],
  ["passive health", { state: "unhealthy", reason: "passes its check, answers no request" }, "silent"],
  [
    "a database that is down",
    { ...DEAD, output: ["Error: connect ECONNREFUSED 127.0.0.1:5432"] },
    "dependency",
  ],
  [
    "a check that says no",
    { ...SICK, lastCheck: "status 503", answer: { status: 503, body: "migrating" } },
    "check_fails",
  ],
  [
    "still starting",
    { ...SICK, state: "starting", lastCheck: "connection refused", listening: [] },
    "starting",
  ],
] satisfies [string, Partial<InstanceFacts>, string][])("%s", (_, facts, kind) => {
  expect(probableCause({ ...WELL, ...facts }).kind).toBe(kind as never);
});
