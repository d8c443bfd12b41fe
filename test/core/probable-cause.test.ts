// Ten faults, as programs of several languages tell them: the right cause comes first.
import { describe, expect, test } from "bun:test";
import {
  DEPLOY_FAILED,
  type InstanceFacts,
  type Misplaced,
  probableCause,
} from "../../src/core/probable-cause.ts";

const WELL: InstanceFacts = {
  name: "api:v2",
  state: "healthy",
  reason: "check passed: status 200",
  isAlive: true,
  lastExit: null,
  lastCheck: "status 200",
  checkPassed: true,
  answer: null,
  hasPort: true,
  misplaced: null,
  speaks: null,
  isSuspended: false,
  background: null,
  cpuPercent: 1,
  failedDeploy: null,
  output: ["listening on 20001"],
  memoryBytes: 50e6,
  memoryLimitBytes: null,
  diskFreeBytes: 50e9,
  weight: 100,
  errorPercent: 0,
  requests: 100,
  p95Ms: 12,
  worse: null,
  remedy: "ten rollback api",
};
const ELSEWHERE: Misplaced = {
  kind: "wrong_port",
  text: "listens on the wrong port: on 3000, not on its PORT 20001",
  hint: "listen on the PORT of the environment",
};
const NOWHERE: Misplaced = {
  kind: "not_listening",
  text: "listens on no port; it should listen on its PORT 20001",
  hint: "listen on the PORT of the environment",
};
const DEAD: Partial<InstanceFacts> = {
  state: "failed",
  isAlive: false,
  lastExit: "exited with code 1",
  checkPassed: false,
  lastCheck: "connection refused",
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
    { ...SICK, state: "starting", lastCheck: "connection refused", misplaced: ELSEWHERE },
    "wrong_port",
    "on 3000, not on its PORT 20001",
  ],
  [
    "no port",
    { ...SICK, lastCheck: "connection refused", misplaced: NOWHERE },
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
    { ...SICK, state: "starting", lastCheck: "connection refused", misplaced: NOWHERE },
    "starting",
  ],
] satisfies [string, Partial<InstanceFacts>, string][])("%s", (_, facts, kind) => {
  expect(probableCause({ ...WELL, ...facts }).kind).toBe(kind as never);
});

/** What runtimes of many languages say, and what comes of it. */
const SAID: readonly [what: string, facts: Partial<InstanceFacts>, kind: string, says: string][] = [
  [
    "information about certificates and a warning are no cause of a mistake in the program",
    {
      ...DEAD,
      output: [
        "INFO loaded certificate chain from /etc/ssl/certs",
        "WARN redis: connection refused, going on without cache",
        "Traceback (most recent call last):",
        '  File "app.py", line 3, in <module>',
        "    raise_if(no_space_left_on_device, 'ENOSPC')",
        "AttributeError: 'NoneType' object has no attribute 'foo'",
      ],
    },
    "crash",
    "exited with code 1",
  ],
  [
    "the cause below a TypeError",
    {
      ...DEAD,
      output: [
        "TypeError: fetch failed",
        "    at node:internal/deps/undici/undici:14976:13",
        "  [cause]: Error: getaddrinfo ENOTFOUND api.nowhere.invalid",
        "    code: 'ENOTFOUND',",
        "  }",
      ],
    },
    "dns",
    "a name cannot be found in DNS",
  ],
  [
    "DNS that does not answer (python)",
    { ...DEAD, output: ["socket.gaierror: [Errno -3] Temporary failure in name resolution"] },
    "dns",
    "DNS does not answer",
  ],
  [
    "DNS that does not answer (curl)",
    { ...DEAD, output: ["curl: (28) Resolving timed out after 1000 milliseconds"] },
    "dns",
    "DNS does not answer",
  ],
  [
    "plain HTTP where TLS was meant",
    { ...DEAD, output: ["<urlopen error [SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)>"] },
    "tls",
    "cannot be made",
  ],
  [
    "a certificate for another name (node)",
    {
      ...DEAD,
      output: [
        "Error [ERR_TLS_CERT_ALTNAME_INVALID]: Hostname/IP does not match certificate's altnames",
        "  issuerCertificate: [Circular *1]",
      ],
    },
    "tls",
    "is not trusted",
  ],
  [
    "a file that is too large (python)",
    { ...DEAD, output: ["OSError: [Errno 27] File too large"] },
    "limit",
    "limit of its size",
  ],
  [
    "a file that is too large, by its signal",
    { ...DEAD, lastExit: "was killed by SIGXFSZ", output: [] },
    "limit",
    "limit of its size",
  ],
  [
    "too many open files",
    { ...DEAD, output: ["OSError: [Errno 24] Too many open files: '/dev/null'"] },
    "limit",
    "too many files",
  ],
  [
    "threads, which Java calls memory",
    { ...DEAD, output: ["java.lang.OutOfMemoryError: unable to create native thread"] },
    "limit",
    "processes",
  ],
  [
    "a command that a shell does not find",
    { ...DEAD, lastExit: "exited with code 127", output: ["sh: 1: ./nope.sh: not found"] },
    "missing_file",
    "is not there",
  ],
  [
    "the same, and nothing said",
    { ...DEAD, lastExit: "exited with code 127", output: [] },
    "missing_file",
    "is not there",
  ],
  [
    "a command that may not be executed",
    { ...DEAD, lastExit: "exited with code 126", output: [] },
    "permission",
    "cannot be executed",
  ],
  [
    "a variable that is not set (bash)",
    { ...DEAD, lastExit: "exited with code 127", output: ["bash: line 1: DATABASE_URL: unbound variable"] },
    "bad_config",
    "configuration",
  ],
  [
    "a variable that a shell insists on, in words of its author",
    { ...DEAD, lastExit: "exited with code 2", output: ["sh: 1: DATABASE_URL: give me a database"] },
    "bad_config",
    "configuration",
  ],
  [
    "JSON (python)",
    { ...DEAD, output: ["json.decoder.JSONDecodeError: Expecting ',' delimiter: line 1 column 8"] },
    "bad_config",
    "configuration",
  ],
  [
    "JSON (node)",
    { ...DEAD, output: ["SyntaxError: Expected property name or '}' in JSON at position 1"] },
    "bad_config",
    "configuration",
  ],
  [
    "a module of perl",
    {
      ...DEAD,
      output: [
        "Can't locate Nope/Mod.pm in @INC (you may need to install it)",
        "BEGIN failed--compilation aborted at -e line 1.",
      ],
    },
    "missing_file",
    "is not there",
  ],
  [
    "a table that is not there is no file",
    {
      ...SICK,
      lastCheck: "status 500",
      answer: { status: 500, body: '{"error":"relation \\"users\\" does not exist"}' },
    },
    "dependency",
    "tables",
  ],
  [
    "a password",
    { ...DEAD, output: ['FATAL: password authentication failed for user "app"'] },
    "dependency",
    "does not let it in",
  ],
  [
    "a program in a shell that was killed",
    { ...DEAD, lastExit: "exited with code 139", output: [] },
    "crash",
    "killed by SIGSEGV",
  ],
  [
    "SIGKILL of somebody",
    { ...DEAD, lastExit: "was killed by SIGKILL", output: [] },
    "crash",
    "from outside",
  ],
  ["SIGTERM of somebody", { ...DEAD, lastExit: "was killed by SIGTERM", output: [] }, "crash", "not ten"],
  [
    "an end with code 0",
    {
      state: "stopped",
      isAlive: false,
      lastExit: "exited with code 0",
      reason: 'exited with code 0; restart = "on-failure" leaves it so',
    },
    "ended",
    "ended by itself",
  ],
  [
    "of a worker that is all",
    {
      state: "stopped",
      isAlive: false,
      hasPort: false,
      lastExit: "exited with code 0",
      reason: 'exited with code 0; restart = "on-failure" leaves it so',
    },
    "stopped",
    "stopped",
  ],
  [
    "a stop after a crash",
    { state: "stopped", isAlive: false, lastExit: "exited with code 1", reason: "stopped by command" },
    "stopped",
    "stopped by command",
  ],
  [
    "the wrong address",
    {
      ...SICK,
      misplaced: {
        kind: "wrong_address",
        text: "listens on [::1]:20001, and is asked at 127.0.0.1:20001",
        hint: "listen on HOST",
      },
    },
    "wrong_address",
    "it listens on [::1]:20001",
  ],
  [
    "a stranger on its port",
    {
      ...SICK,
      misplaced: {
        kind: "stranger",
        text: "does not listen on its PORT 20001: nginx (pid 7) does",
        hint: "stop it",
      },
    },
    "port_taken",
    "nginx (pid 7)",
  ],
  [
    "TLS on its own port",
    { ...SICK, lastCheck: "connection reset", speaks: "it speaks TLS" },
    "wrong_protocol",
    "it speaks TLS",
  ],
  [
    "SIGSTOP",
    { ...SICK, lastCheck: "timed out after 1 s, connecting", isSuspended: true },
    "suspended",
    "stands still",
  ],
  [
    "a loop",
    { ...SICK, lastCheck: "timed out after 1 s, waiting for an answer", cpuPercent: 99.6 },
    "hang",
    "takes 100 % of a processor",
  ],
  [
    "a failed deploy that crashed",
    {
      state: "stopped",
      isAlive: false,
      reason: DEPLOY_FAILED,
      failedDeploy: {
        text: "the deploy failed: api:v2 crashed: it exited with code 1. The other versions keep their traffic",
        hint: "",
      },
      output: ["Error: ENOSPC: no space left on device, write"],
    },
    "disk_full",
    "its deploy failed: the disk is full: it exited with code 1",
  ],
  [
    "a failed deploy that never listened",
    {
      state: "stopped",
      isAlive: false,
      reason: DEPLOY_FAILED,
      failedDeploy: {
        text: "the deploy failed: api:v2 listens on no port; it should listen on its PORT 20001. The other versions keep their traffic",
        hint: "listen there",
      },
    },
    "deploy_failed",
    "its deploy failed: it listens on no port",
  ],
];

test.each(SAID)("%s", (_, facts, kind, says) => {
  const found = probableCause({ ...WELL, ...facts });
  expect([found.kind, found.text]).toEqual([kind, expect.stringContaining(says)]);
  expect(found.hint).not.toBe("");
});

test("the line that it goes by is a message and no field below one, also above a hundred lines of details", () => {
  const output = [
    "Error [ERR_TLS_CERT_ALTNAME_INVALID]: Hostname/IP does not match certificate's altnames: DNS:other.example",
    ...Array.from({ length: 120 }, (_, n) => `         ${n}, 130,   3,  48,`),
    "  code: 'ERR_TLS_CERT_ALTNAME_INVALID'",
  ];
  expect(probableCause({ ...WELL, ...DEAD, output }).evidence).toStartWith("Error [ERR_TLS_CERT");
});

test("a version that is slower than its siblings is not called well, though its times are short", () => {
  const text = "v2 is slower by 70 ms: p95 90 ms, v1 20 ms in the last 5 min";
  expect(probableCause({ ...WELL, p95Ms: 90, worse: { kind: "slow", text } })).toMatchObject({
    kind: "slow",
    text,
    hint: "ten logs api:v2; ten rollback api takes its traffic away",
  });
});
