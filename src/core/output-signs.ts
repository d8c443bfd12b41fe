// What the output of a program says about its end: the words that runtimes and C libraries use for faults that are not the
// program's own, and which lines say nothing. No rule knows a program; each knows what its runtime documents.

interface Sign {
  readonly kind: SignKind;
  readonly pattern: RegExp;
  readonly text: string;
  readonly hint: string;
}

export type SignKind =
  | "limit"
  | "disk_full"
  | "out_of_memory"
  | "port_taken"
  | "dns"
  | "tls"
  | "dependency"
  | "missing_file"
  | "permission"
  | "bad_config";

const LOOK_AT_CERTIFICATE =
  "look at the certificate that it is shown (openssl s_client -connect HOST:PORT), its end, its name, and who has signed it";

/** The surest first. */
const SIGNS: readonly Sign[] = [
  {
    kind: "limit",
    pattern: /\bEMFILE\b|\bENFILE\b|too many open files|Errno 24\b/i,
    text: "it has too many files and connections open",
    hint: "let it have more (ulimit -n, LimitNOFILE of the unit), or find what it does not close",
  },
  {
    kind: "limit",
    pattern: /\bEFBIG\b|file too large|file size limit exceeded|Errno 27\b/i,
    text: "a file that it writes has reached the limit of its size",
    hint: "raise the limit (ulimit -f, LimitFSIZE of the unit), or find why the file grows",
  },
  {
    kind: "limit",
    pattern:
      /unable to create (?:new )?native thread|can't start new thread|pthread_create|fork: (?:retry: )?resource temporarily|fork failed|CPU time limit exceeded/i,
    text: "it has reached a limit of processes or of processor time",
    hint: "raise the limit (ulimit -u, ulimit -t, TasksMax of the unit), or find what starts so many",
  },
  {
    kind: "disk_full",
    pattern: /ENOSPC|no space left on device|disk(?: is)? full|EDQUOT|disk quota exceeded|SQLITE_FULL/i,
    text: "the disk is full",
    hint: "make room (df -h, ten prune SERVICE), then restart it",
  },
  {
    kind: "out_of_memory",
    pattern:
      /heap out of memory|OutOfMemoryError|MemoryError|cannot allocate memory|ENOMEM|std::bad_alloc|out of memory|memory allocation of \d+ bytes failed|NoMemoryError|Allowed memory size/i,
    text: "it ran out of memory",
    hint: "give it more (memory_limit_mb), or find what it holds on to",
  },
  {
    kind: "port_taken",
    pattern:
      /EADDRINUSE|address (?:is )?already in use|port \d+ (?:is )?(?:already )?in use|Errno 98\b|AddrInUse/i,
    text: "the port that it wants is taken",
    hint: "let it listen on the PORT of the environment ({port} in the command), or stop what has the port: ss -ltnp",
  },
  {
    kind: "dns",
    pattern:
      /EAI_AGAIN|temporary failure in name resolution|resolving timed out|\bESERVFAIL\b|server misbehaving|lookup .*(?:i\/o timeout|timed out)|dns.*(?:timeout|timed out|ETIMEOUT|not responding)|Errno -3\b/i,
    text: "DNS does not answer",
    hint: "check the name servers of this machine (/etc/resolv.conf, resolvectl status), and what it finds: getent hosts NAME",
  },
  {
    kind: "dns",
    pattern:
      /\bENOTFOUND\b|EAI_NONAME|getaddrinfo|name (?:or service )?not known|name resolution|no such host|could not translate host name|UnknownHost|nodename nor servname|could not resolve|failed to lookup|unable to resolve|NXDOMAIN|Errno -2\b/i,
    text: "a name cannot be found in DNS",
    hint: "check the name in its configuration, and what this machine finds: getent hosts NAME",
  },
  {
    kind: "tls",
    pattern:
      /CERTIFICATE_VERIFY_FAILED|\bCERT_[A-Z_]+|SELF_SIGNED_CERT|UNABLE_TO_(?:VERIFY|GET_ISSUER)|ERR_TLS_CERT|x509: |PKIX path|UnknownIssuer|NotValidForName|self[- ]signed cert|unable to (?:get|verify)[^.]*certificate|certificate (?:has )?expired|certificate (?:verif|is not|problem|unknown|required|rejected)|certificate .*(?:do(?:es)?(?:n't| not) (?:match|have)|not (?:trusted|valid)|untrusted|invalid)|alternative certificate subject name|certificate's altnames|hostname .*do(?:es)?(?:n't| not) match/i,
    text: "a TLS connection is not trusted",
    hint: LOOK_AT_CERTIFICATE,
  },
  {
    kind: "tls",
    pattern:
      /ERR_SSL_|SSL_ERROR|SSLError|SSLHandshake|\[SSL: |ERR_TLS_|TLS handshake|handshake failure|wrong[ _]version[ _]number|\bEPROTO\b|tlsv1 alert|ssl3_|does not look like a TLS|unexpected eof while reading/i,
    text: "a TLS connection cannot be made",
    hint: "does the other side speak TLS on that port, and which versions? openssl s_client -connect HOST:PORT",
  },
  {
    kind: "dependency",
    pattern:
      /password authentication failed|authentication failed|access denied for user|\bNOAUTH\b|\bWRONGPASS\b|invalid (?:username|password)|role "[^"]*" does not exist|database "[^"]*" does not exist/i,
    text: "what it depends on does not let it in",
    hint: "check the user, the password and the name of the database in its environment",
  },
  {
    kind: "dependency",
    pattern:
      /relation \\?"[^"]*" does not exist|no such table|no such column|UndefinedTable|unknown column|table .* doesn't exist/i,
    text: "its database has not the tables that it needs",
    hint: "has its migration run? (setup in tenement.toml), and is it the right database?",
  },
  {
    kind: "missing_file",
    pattern:
      /ENOENT|no such file or directory|cannot find (?:module|package)|module not found|No module named|FileNotFoundError|ClassNotFoundException|could not find or load main class|Unable to access jarfile|could not (?:open|read|find|load) .*(?:file|assembly)|cannot load such file|can't locate \S+ in @INC|failed opening required|command not found|^\S*sh: .*: not found|No such file$|file .*does not exist$/i,
    text: "a file that it needs is not there",
    hint: "check that the release is complete, and the command and workdir in tenement.toml",
  },
  {
    kind: "permission",
    pattern:
      /EACCES|EPERM|permission denied|PermissionError|operation not permitted|AccessDenied|read-only file system|\bEROFS\b/i,
    text: "it may not do something that it needs",
    hint: "check who it runs as (user in tenement.toml) and whose the files are",
  },
  {
    kind: "dependency",
    pattern:
      /ECONNREFUSED|connection ?refused|could not connect to|failed to connect|Connection timed out|ETIMEDOUT|ECONNRESET|EHOSTUNREACH|ENETUNREACH|no route to host|network is unreachable|too many (?:connections|clients)/i,
    text: "something that it depends on does not answer",
    hint: "check that what it connects to runs and listens there",
  },
  {
    kind: "bad_config",
    pattern:
      /(?:environment variable|env(?:ironment)?\b|config(?:uration)?|setting|option|secret|[A-Z][A-Z0-9]*_[A-Z0-9_]+)\b.*(?:missing|required|invalid|must be|not set|undefined|unknown|unset|malformed|unbound variable)|(?:missing|required|invalid|unknown|bad|malformed|unset|illegal|unrecognized)\b.*(?:environment variable|env\b|config(?:uration)?|setting|option|flag|argument|[A-Z][A-Z0-9]*_[A-Z0-9_]+)|KeyError|ConfigError|ImproperlyConfigured|ValidationError|JSON Parse error|JSONDecodeError|in JSON at position|end of JSON input|looking for beginning of|TOMLDecodeError|toml: |TomlError|yaml: |YAMLException|yaml\.\w+\.\w*Error|Json(?:Syntax|Parse)Exception|Unexpected token|parse error|unbound variable|parameter (?:null or )?not set|^\S*sh: (?:line )?\d+: [A-Z_][A-Z0-9_]*: |flag provided but not defined|unrecognized arguments|unexpected argument/i,
    text: "its configuration is not right",
    hint: "check env, env_file and its own configuration files: ten config shows what it is given",
  },
];

/** A mistake in the program itself, whatever was said before it. */
const BUG =
  /^\W*(?:[\w.]*\b)?(?:TypeError|ReferenceError|NameError|AttributeError|IndexError|ZeroDivisionError|AssertionError|NotImplementedError|NoMethodError|UnboundLocalError|RecursionError|NullPointerException|ArrayIndexOutOfBounds\w*|ClassCastException|NullReferenceException|ArithmeticException)\b|panic: runtime error|panicked at|Segmentation fault|core dumped|Assertion .*failed/;
/** Said in passing. */
const INFORMATION =
  /^\W*(?:\S+ ){0,3}?\W?(?:INFO|DEBUG|TRACE|NOTICE)\b|\blevel=(?:info|debug|trace)\b|"(?:level|severity)":\s*"?(?:info|debug|trace|notice|10|20|30)\b/i;
/** Stack frames, brackets and the runtime's own signature say nothing. */
const NOISE = /^\s*(?:at |File "|\.\.\.|[\d\s|^~]*$|[{}()[\],;]+$|Node\.js v|Bun v|goroutine |\[?exit)/;
const PYTHON_FRAME = /^\s+File ".*", line \d+/;
const CARETS = /^\s*[~^][~^\s]*$/;
/** `3 | const x = y;`, as Bun and Rust show the source. */
const SOURCE = /^\s*\d* +\| /;
const ERROR = /error|fail|panic|fatal|exception|cannot|could not|unable|\bE[A-Z]{4,}:/i;

/** How many of the last lines are looked at one after the other: the end of a program is told at its end. */
const LAST_LINES = [8, 40, Number.MAX_SAFE_INTEGER];

export interface FoundSign {
  readonly kind: SignKind;
  readonly text: string;
  readonly hint: string;
  /** The line that says it. */
  readonly evidence: string;
}

/** The surest sign as near to the end of the output as there is one; none when a mistake of the program itself came after it. */
export function signIn(lines: readonly string[]): FoundSign | undefined {
  const said = telling(lines).filter((line) => !INFORMATION.test(line));
  const isSign = (line: string) => SIGNS.some(({ pattern }) => pattern.test(line));
  const lastBug = said.findLastIndex((line) => BUG.test(line) && !isSign(line));
  if (lastBug > said.findLastIndex(isSign)) return undefined;
  for (const count of LAST_LINES) {
    const last = said.slice(-count);
    const sign = SIGNS.find(({ pattern }) => last.some((line) => pattern.test(line)));
    if (sign) return { kind: sign.kind, text: sign.text, hint: sign.hint, evidence: evidenceFor(sign, said) };
  }
  return undefined;
}

/** The last line with the sign that is a message, rather than `code: 'ENOTFOUND'` below one. */
function evidenceFor({ pattern }: Sign, lines: readonly string[]): string {
  const matching = lines.filter((line) => pattern.test(line));
  return (matching.findLast((line) => ERROR.test(line)) ?? matching.at(-1) ?? "").trim();
}

/** What to do about a fault of that kind. */
export function hintOf(kind: SignKind): string {
  return SIGNS.find((sign) => sign.kind === kind)?.hint ?? "";
}

/** The last line that tells of an error, else the last that tells anything. */
export function lastWords(output: readonly string[]): string | undefined {
  const said = telling(output);
  const error = said.findLast((line) => /error|fail|panic|fatal|exception/i.test(line));
  return (error ?? said.at(-1))?.trim();
}

/** Without frames, and without the source that a traceback shows: what stands in a program is not what it says. */
function telling(lines: readonly string[]): string[] {
  return lines.filter((line, at) => {
    const isShown = PYTHON_FRAME.test(lines[at - 1] ?? "") && /^\s{2,}/.test(line);
    return !(
      isShown ||
      NOISE.test(line) ||
      PYTHON_FRAME.test(line) ||
      SOURCE.test(line) ||
      CARETS.test(lines[at + 1] ?? "")
    );
  });
}
