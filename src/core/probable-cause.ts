// What is most probably wrong with an instance, in one line: from what its process did, where it listens, what its checks were
// answered and what it wrote last. The first rule that applies is it; each names what it goes by.

export type CauseKind =
  | "stopped"
  | "sleeping"
  | "starting"
  | "out_of_memory"
  | "disk_full"
  | "port_taken"
  | "missing_file"
  | "permission"
  | "dns"
  | "tls"
  | "bad_config"
  | "dependency"
  | "crash"
  | "wrong_port"
  | "not_listening"
  | "hang"
  | "check_fails"
  | "silent"
  | "errors"
  | "slow"
  | "no_traffic"
  | "well";

export interface InstanceFacts {
  readonly name: string;
  readonly state: string;
  /** In words, as the state has it. */
  readonly reason: string;
  readonly isAlive: boolean;
  readonly lastExit: string | null;
  /** The last check in words, and whether it passed. */
  readonly lastCheck: string | null;
  readonly checkPassed: boolean;
  /** The status and the beginning of what its health path answers now; null: not asked, or no answer. */
  readonly answer: { readonly status: number; readonly body: string } | null;
  readonly port: number | null;
  /** Null where the system does not tell. */
  readonly listening: readonly number[] | null;
  /** The last lines of both streams, oldest first. */
  readonly output: readonly string[];
  readonly memoryBytes: number | null;
  readonly memoryLimitBytes: number | null;
  /** Of the file system that its data is on. */
  readonly diskFreeBytes: number | null;
  readonly weight: number;
  readonly errorPercent: number;
  readonly requests: number;
  readonly p95Ms: number | null;
}

export interface Cause {
  readonly kind: CauseKind;
  /** `the disk is full: write ENOSPC`. */
  readonly text: string;
  /** The line of output that it goes by. */
  readonly evidence: string | null;
  /** What to do. */
  readonly hint: string;
}

interface Sign {
  readonly kind: CauseKind;
  readonly pattern: RegExp;
  readonly text: string;
  readonly hint: string;
}

/** What programs of any language write when it is not their own fault, the surest first. */
const SIGNS: readonly Sign[] = [
  {
    kind: "disk_full",
    pattern: /ENOSPC|no space left on device|disk(?: is)? full|EDQUOT|disk quota exceeded|SQLITE_FULL/i,
    text: "the disk is full",
    hint: "make room (df -h, ten prune SERVICE), then restart it",
  },
  {
    kind: "out_of_memory",
    pattern:
      /heap out of memory|OutOfMemoryError|MemoryError|cannot allocate memory|ENOMEM|std::bad_alloc|out of memory/i,
    text: "it ran out of memory",
    hint: "give it more (memory_limit_mb), or find what it holds on to",
  },
  {
    kind: "port_taken",
    pattern: /EADDRINUSE|address (?:is )?already in use|port \d+ (?:is )?(?:already )?in use|Errno 98/i,
    text: "the port that it wants is taken",
    hint: "let it listen on the PORT of the environment ({port} in the command), or stop what has the port: ss -ltnp",
  },
  {
    kind: "tls",
    pattern:
      /certificate|self[- ]signed|CERT_|x509:|UNABLE_TO_VERIFY|SSL_ERROR|SSLError|TLS handshake|ERR_TLS|SSLHandshake|PKIX path|ssl3_/i,
    text: "a TLS connection is not trusted",
    hint: "look at the certificate that it is shown (openssl s_client -connect HOST:PORT), its end, its name, and who has signed it",
  },
  {
    kind: "dns",
    pattern:
      /\bENOTFOUND\b|EAI_AGAIN|EAI_NONAME|getaddrinfo|name (?:or service )?not known|name resolution|no such host|could not translate host name|UnknownHost|nodename nor servname|could not resolve|failed to lookup|unable to resolve/i,
    text: "a name cannot be found in DNS",
    hint: "check the name in its configuration, and what this machine finds: getent hosts NAME",
  },
  {
    kind: "missing_file",
    pattern:
      /ENOENT|no such file or directory|cannot find (?:module|package)|module not found|ModuleNotFoundError|FileNotFoundError|ClassNotFoundException|Unable to access jarfile|could not (?:open|read|find) .*file|command not found|does not exist$/i,
    text: "a file that it needs is not there",
    hint: "check that the release is complete, and the command and workdir in tenement.toml",
  },
  {
    kind: "permission",
    pattern: /EACCES|EPERM|permission denied|PermissionError|operation not permitted|AccessDenied/i,
    text: "it may not do something that it needs",
    hint: "check who it runs as (user in tenement.toml) and whose the files are",
  },
  {
    kind: "dependency",
    pattern:
      /ECONNREFUSED|connection refused|could not connect to server|Connection timed out|ETIMEDOUT|ECONNRESET|EHOSTUNREACH/i,
    text: "something that it depends on does not answer",
    hint: "check that what it connects to runs and listens there",
  },
  {
    kind: "bad_config",
    pattern:
      /(?:environment variable|env(?:ironment)?\b|config(?:uration)?|setting|option|secret|[A-Z][A-Z0-9]*_[A-Z0-9_]+)\b.*(?:missing|required|invalid|must be|not set|undefined|unknown|unset|malformed)|(?:missing|required|invalid|unknown|bad|malformed|unset)\b.*(?:environment variable|env\b|config(?:uration)?|setting|option|flag|argument|[A-Z][A-Z0-9]*_[A-Z0-9_]+)|KeyError|ConfigError|ImproperlyConfigured|ValidationError|JSON Parse error|Unexpected token|parse error|unrecognized arguments/i,
    text: "its configuration is not right",
    hint: "check env, env_file and its own configuration files: ten config shows what it is given",
  },
];

/** A check that was not answered at all. */
const SILENT_CHECK = /timed out|no answer/i;
/** Less than that is full, as a file system keeps some for root. */
const FULL_BYTES = 1024 * 1024;
/** Of its limit. */
const NEAR = 0.95;
const ERRORS_PERCENT = 1;
const SLOW_MS = 5_000;

export function probableCause(facts: InstanceFacts): Cause {
  const { state } = facts;
  if (state === "stopped")
    return cause("stopped", `it is stopped: ${facts.reason}`, `ten spawn ${facts.name} --weight 0 starts it`);
  if (state === "sleeping")
    return cause("sleeping", "it sleeps, and the next request wakes it", "nothing needs to be done");
  if (!facts.isAlive) return ofDead(facts);
  return ofMisplaced(facts) ?? ofChecks(facts) ?? ofTraffic(facts);
}

function ofDead(facts: InstanceFacts): Cause {
  const { lastExit, reason, output } = facts;
  const ended = lastExit ?? reason;
  if (/out of memory/.test(ended))
    return cause("out_of_memory", `it ran out of memory: it ${ended}`, hintOf("out_of_memory"));
  const sign = signIn([...output, reason]);
  if (sign) return { ...sign, text: `${sign.text}: it ${ended}` };
  if (isFull(facts)) return cause("disk_full", `the disk is full, and it ${ended}`, hintOf("disk_full"));
  const line = lastWords(output);
  const what = line === undefined ? "and wrote nothing" : "and its last words are below";
  const hint =
    line === undefined
      ? "check its command and environment: ten config shows what it is started with"
      : `ten logs ${facts.name} has all of its output`;
  return cause("crash", `it crashed: it ${ended}, ${what}`, hint, line);
}

function ofMisplaced({ port, listening, name, state, checkPassed }: InstanceFacts): Cause | undefined {
  if (checkPassed || port === null || listening === null || listening.includes(port)) return undefined;
  const hint = "let it listen on the PORT of the environment, or write {port} in its command";
  if (listening.length > 0)
    return cause(
      "wrong_port",
      `it listens on the wrong port: on ${listening.join(", ")}, not on ${port}`,
      hint,
    );
  if (state === "starting")
    return cause(
      "starting",
      `it is starting, and does not listen on ${port} yet`,
      `ten logs ${name} -f shows how far it is`,
    );
  return cause("not_listening", `it runs and listens on no port; it should on ${port}`, hint);
}

function ofChecks(facts: InstanceFacts): Cause | undefined {
  const { state, reason, lastCheck, answer, name, output } = facts;
  if (/answers no request/.test(reason))
    return cause(
      "silent",
      `it passes its check and answers no request`,
      `ten logs ${name} --since 10m; ten restart ${name}`,
    );
  if (facts.checkPassed || state === "healthy") return undefined;
  if (isFull(facts)) return cause("disk_full", "the disk is full", hintOf("disk_full"));
  const sign = signIn(output) ?? (answer && signIn([answer.body]));
  const said = answer
    ? `its check is answered ${answer.status}${answer.body === "" ? "" : `: ${answer.body}`}`
    : null;
  if (lastCheck !== null && SILENT_CHECK.test(lastCheck) && !answer)
    return sign
      ? { ...sign, text: `${sign.text}, and it does not answer: its check ${lastCheck}` }
      : cause(
          "hang",
          `it hangs: its check ${lastCheck}`,
          `ten restart ${name} helps for now; what it waits for is in its logs, or ask it with its debugger`,
        );
  if (sign) return { ...sign, text: `${sign.text}, and ${said ?? `its check fails: ${lastCheck}`}` };
  if (state === "starting" && lastCheck === null)
    return cause("starting", `it is starting: ${reason}`, `ten logs ${name} -f shows how far it is`);
  return cause(
    "check_fails",
    said ?? `its check fails: ${lastCheck ?? reason}`,
    `ten health ${name} asks again; ten logs ${name}`,
  );
}

function ofTraffic(facts: InstanceFacts): Cause {
  const { errorPercent, requests, output, name, p95Ms, weight } = facts;
  if (isFull(facts)) return cause("disk_full", "the disk is full", hintOf("disk_full"));
  const { memoryBytes, memoryLimitBytes } = facts;
  if (requests > 0 && errorPercent >= ERRORS_PERCENT) {
    const sign = signIn(output);
    const text = `it fails ${errorPercent} % of its requests`;
    if (sign) return { ...sign, text: `${sign.text}: ${text}` };
    return cause(
      "errors",
      text,
      `ten logs ${name} --level stderr; ten rollback takes its traffic away`,
      lastWords(output),
    );
  }
  if (memoryBytes !== null && memoryLimitBytes !== null && memoryBytes >= NEAR * memoryLimitBytes)
    return cause("out_of_memory", "it is about to run out of memory", hintOf("out_of_memory"));
  if (p95Ms !== null && p95Ms >= SLOW_MS)
    return cause(
      "slow",
      `it is slow: 95 % of its answers come within ${(p95Ms / 1000).toFixed(1)} s`,
      `ten logs ${name}; what it waits for`,
    );
  if (weight === 0)
    return cause(
      "no_traffic",
      "it is well, and has no traffic as its weight is 0",
      `ten weight ${name} 10 gives it some`,
    );
  return cause("well", "nothing is wrong, as far as can be seen from outside", "ten top shows what it does");
}

/** The surest sign in the output, and the last line that has it. */
function signIn(lines: readonly string[]): Cause | undefined {
  for (const { kind, pattern, text, hint } of SIGNS) {
    const line = lines.findLast((one) => pattern.test(one));
    if (line !== undefined) return { kind, text, evidence: line.trim(), hint };
  }
  return undefined;
}

/** Stack frames, brackets and the runtime's own signature say nothing. */
const NOISE = /^\s*(?:at |File "|\.\.\.|[\d\s|^~]*$|[{}()[\],;]+$|Node\.js v|Bun v|goroutine |\[?exit)/;

function lastWords(output: readonly string[]): string | undefined {
  const said = output.filter((line) => !NOISE.test(line));
  const error = said.findLast((line) => /error|fail|panic|fatal|exception/i.test(line));
  return (error ?? said.at(-1))?.trim();
}

function isFull({ diskFreeBytes }: InstanceFacts): boolean {
  return diskFreeBytes !== null && diskFreeBytes < FULL_BYTES;
}

function hintOf(kind: CauseKind): string {
  return SIGNS.find((sign) => sign.kind === kind)?.hint ?? "";
}

function cause(kind: CauseKind, text: string, hint: string, evidence: string | null = null): Cause {
  return { kind, text, evidence, hint };
}
