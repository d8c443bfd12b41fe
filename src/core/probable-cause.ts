// What is most probably wrong with an instance, in one line: from what its process did, where it listens, what its checks were
// answered and what it wrote last. The first rule that applies is it; each names what it goes by.

import { hintOf, lastWords, type SignKind, signIn } from "./output-signs.ts";

export type CauseKind =
  | SignKind
  | "stopped"
  | "ended"
  | "deploy_failed"
  | "sleeping"
  | "starting"
  | "suspended"
  | "crash"
  | "wrong_port"
  | "wrong_address"
  | "wrong_protocol"
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
  /** Whether it takes requests at all: a worker does not. */
  readonly hasPort: boolean;
  /** Where it listens instead of where it should, in words that read on after "it"; null when it does, or nobody can tell. */
  readonly misplaced: Misplaced | null;
  /** What it speaks on its port when that is not HTTP, in words; null: HTTP, or not looked at. */
  readonly speaks: string | null;
  /** Stopped by a signal (SIGSTOP, SIGTSTP), as by a debugger. */
  readonly isSuspended: boolean;
  /** What of it had put itself into the background and was ended with it, in words. */
  readonly background: string | null;
  readonly cpuPercent: number | null;
  /** What its deploy was found to fail of, and what to do, when that is why it is stopped. */
  readonly failedDeploy: { readonly text: string; readonly hint: string } | null;
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
  /** The command that takes its traffic away. */
  readonly remedy: string;
  /** In which way its version is worse than its siblings, in a sentence; null when it is not. */
  readonly worse: { readonly kind: "errors" | "slow"; readonly text: string } | null;
}

export interface Misplaced {
  readonly kind: "wrong_port" | "wrong_address" | "stranger" | "not_listening";
  readonly text: string;
  readonly hint: string;
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

/** The reason of what is stopped as its deploy came to nothing. */
export const DEPLOY_FAILED = "its deploy failed";

/** A check that was not answered at all. */
const SILENT_CHECK = /timed out|no answer/i;
/** Less than that is full, as a file system keeps some for root. */
const FULL_BYTES = 1024 * 1024;
/** Of its limit. */
const NEAR = 0.95;
const ERRORS_PERCENT = 1;
const BUSY_PERCENT = 80;
const FOREGROUND = 'it has to stay in the foreground, as nginx does with "daemon off;"';
const OWN_FAULT =
  "a fault in its own code or in a native module: coredumpctl has what it left, or run its command by hand; ten logs NAME";

/** What an end says by itself, where its output says nothing surer. 126 and 127: POSIX, 2.8.2; the signals: signal(7). */
const EXITS: readonly { kind: CauseKind; pattern: RegExp; text: string; hint: string }[] = [
  {
    kind: "missing_file",
    pattern: /exited with code 127$/,
    text: "a command that it runs is not there",
    hint: "code 127 is a shell's for a command that it does not find: check its command; ten logs NAME",
  },
  {
    kind: "permission",
    pattern: /exited with code 126$/,
    text: "a command that it runs cannot be executed",
    hint: "code 126 is a shell's for a file that may not be executed: chmod +x; ten logs NAME",
  },
  {
    kind: "limit",
    pattern: /SIGXFSZ/,
    text: "a file that it writes has reached the limit of its size",
    hint: "raise the limit (ulimit -f, LimitFSIZE of the unit), or find why the file grows",
  },
  {
    kind: "limit",
    pattern: /SIGXCPU/,
    text: "it has used up its processor time",
    hint: "raise the limit (ulimit -t, LimitCPU of the unit)",
  },
  {
    kind: "crash",
    pattern: /SIG(?:SEGV|ILL|FPE|BUS|ABRT|TRAP|SYS)\b/,
    text: "it crashed",
    hint: OWN_FAULT,
  },
  {
    kind: "crash",
    pattern: /SIGKILL/,
    text: "it was killed from outside",
    hint: "by the kernel when the machine had no memory left (journalctl -k | grep -i 'out of memory'), or by somebody",
  },
  {
    kind: "crash",
    pattern: /SIG(?:TERM|INT|HUP|QUIT|USR1|USR2)\b/,
    text: "somebody ended it, and not ten",
    hint: "a script, a shell that was closed, or the app itself sent the signal; ten events tells what ten did",
  },
];

const SIGNALS: Readonly<Record<string, string>> = {
  ...{ 129: "SIGHUP", 130: "SIGINT", 131: "SIGQUIT", 132: "SIGILL", 133: "SIGTRAP", 134: "SIGABRT" },
  ...{ 135: "SIGBUS", 136: "SIGFPE", 137: "SIGKILL", 139: "SIGSEGV", 141: "SIGPIPE", 143: "SIGTERM" },
  ...{ 152: "SIGXCPU", 153: "SIGXFSZ", 159: "SIGSYS" },
};
const SLOW_MS = 5_000;

export function probableCause(facts: InstanceFacts): Cause {
  const { state } = facts;
  if (state === "stopped") return ofStopped(facts);
  if (state === "sleeping")
    return cause("sleeping", "it sleeps, and the next request wakes it", "nothing needs to be done");
  if (!facts.isAlive) return ofDead(facts);
  return ofSuspended(facts) ?? ofMisplaced(facts) ?? ofChecks(facts) ?? ofTraffic(facts);
}

/** Told to stop, or gone by itself: who serves has to stay. */
function ofStopped(facts: InstanceFacts): Cause {
  const { name, reason, lastExit, hasPort, background, failedDeploy } = facts;
  if (failedDeploy) return ofFailedDeploy(facts, failedDeploy);
  const isOwnEnd = hasPort && lastExit !== null && reason.startsWith(lastExit);
  if (!isOwnEnd)
    return cause("stopped", `it is stopped: ${reason}`, `ten spawn ${name} --weight 0 starts it`);
  const what = background === null ? "" : `: it put itself into the background (${background})`;
  const hint = `${FOREGROUND}; restart = "always" starts it again`;
  return cause("ended", `it ended by itself, as if its work was done: it ${lastExit}${what}`, hint);
}

/** What a deploy has failed of, from the message of its fault, in words that read on after the instance's name. */
export function failureOf(name: string, message: string): string {
  return message
    .replace("the deploy failed: ", "")
    .replace(". The other versions keep their traffic", "")
    .replace(`${name}: `, "")
    .replace(`${name} `, "it ");
}

/** Its process is gone, and what was found out before is kept with the event. */
function ofFailedDeploy(facts: InstanceFacts, { text, hint }: { text: string; hint: string }): Cause {
  const { name, output } = facts;
  const said = failureOf(name, text);
  const [, ended] = /\bcrashed: it (.*)$/.exec(said) ?? [];
  if (ended !== undefined) {
    const found = ofDead({ ...facts, lastExit: ended });
    return { ...found, text: `its deploy failed: ${found.text}` };
  }
  const sign = signIn([...output, said]);
  if (sign) return { ...sign, text: `its deploy failed: ${sign.text}; ${said}` };
  return cause("deploy_failed", `its deploy failed: ${said}`, hint);
}

function ofDead(facts: InstanceFacts): Cause {
  const { lastExit, reason, output, name } = facts;
  const ended = withSignal(lastExit ?? reason);
  if (/out of memory/.test(ended))
    return cause("out_of_memory", `it ran out of memory: it ${ended}`, hintOf("out_of_memory"));
  const sign = signIn([...output, reason]);
  if (sign) return { ...sign, text: `${sign.text}: it ${ended}` };
  if (isFull(facts)) return cause("disk_full", `the disk is full, and it ${ended}`, hintOf("disk_full"));
  const line = lastWords(output);
  const what = line === undefined ? "and wrote nothing" : "and its last words are below";
  const of = EXITS.find(({ pattern }) => pattern.test(ended));
  if (of) return cause(of.kind, `${of.text}: it ${ended}, ${what}`, of.hint.replaceAll("NAME", name), line);
  const hint =
    line === undefined
      ? "it wrote nothing, or kept what it wrote in a buffer: run its command by hand; ten config shows what it is started with"
      : `ten logs ${name} has all of its output`;
  return cause("crash", `it crashed: it ${ended}, ${what}`, hint, line);
}

/** A shell says by 128 and the number of the signal how what it ran was killed. */
function withSignal(ended: string): string {
  const signal = SIGNALS[/exited with code (\d+)$/.exec(ended)?.[1] ?? ""];
  return signal === undefined
    ? ended
    : `${ended}, which is a shell's for a program that was killed by ${signal}`;
}

function ofSuspended({ isSuspended, name }: InstanceFacts): Cause | undefined {
  if (!isSuspended) return undefined;
  return cause(
    "suspended",
    "it stands still: a signal has stopped it (SIGSTOP or SIGTSTP), or a debugger",
    `kill -CONT its pid lets it go on (ten ps ${name} --json has it); ten restart ${name}`,
  );
}

function ofMisplaced({ misplaced, name, state, checkPassed, cpuPercent }: InstanceFacts): Cause | undefined {
  if (checkPassed || misplaced === null) return undefined;
  const { kind, text, hint } = misplaced;
  if (kind === "stranger")
    return cause("port_taken", `the port that it was given is another's: it ${text}`, hint);
  if (kind !== "not_listening") return cause(kind, `it ${text}`, hint);
  if (state === "starting")
    return cause("starting", `it is starting, and ${text}`, `ten logs ${name} -f shows how far it is`);
  return cause(
    "not_listening",
    `it runs and ${text}${busy(cpuPercent)}`,
    `${hint}; what it waits for: ten logs ${name}`,
  );
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
  if (facts.speaks !== null)
    return cause(
      "wrong_protocol",
      `it does not speak HTTP on its port: ${facts.speaks}; its check: ${lastCheck}`,
      "let it speak plain HTTP there, as TLS ends at ten; without health in tenement.toml its port is only connected to",
    );
  const sign = signIn(output) ?? (answer && signIn([answer.body]));
  const said = answer
    ? `its check is answered ${answer.status}${answer.body === "" ? "" : `: ${answer.body}`}`
    : null;
  if (lastCheck !== null && SILENT_CHECK.test(lastCheck) && !answer)
    return sign
      ? { ...sign, text: `${sign.text}, and it does not answer: its check ${lastCheck}` }
      : cause(
          "hang",
          `it hangs: its check ${lastCheck}${busy(facts.cpuPercent)}`,
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
  const { errorPercent, requests, output, name, p95Ms, weight, worse, remedy } = facts;
  if (isFull(facts)) return cause("disk_full", "the disk is full", hintOf("disk_full"));
  const { memoryBytes, memoryLimitBytes } = facts;
  if (requests > 0 && errorPercent >= ERRORS_PERCENT) {
    const sign = signIn(output);
    const text = `it fails ${errorPercent} % of its requests`;
    if (sign) return { ...sign, text: `${sign.text}: ${text}` };
    return cause(
      "errors",
      text,
      `ten logs ${name} --level stderr; ${remedy} takes its traffic away`,
      lastWords(output),
    );
  }
  if (worse !== null) {
    const evidence = worse.kind === "errors" ? lastWords(output) : undefined;
    return cause(worse.kind, worse.text, `ten logs ${name}; ${remedy} takes its traffic away`, evidence);
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

/** What waits takes no processor, what spins does. */
function busy(cpuPercent: number | null): string {
  return cpuPercent === null || cpuPercent < BUSY_PERCENT
    ? ""
    : `, and it takes ${Math.round(cpuPercent)} % of a processor`;
}

function isFull({ diskFreeBytes }: InstanceFacts): boolean {
  return diskFreeBytes !== null && diskFreeBytes < FULL_BYTES;
}

function cause(kind: CauseKind, text: string, hint: string, evidence: string | null = null): Cause {
  return { kind, text, evidence, hint };
}
