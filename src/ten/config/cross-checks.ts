// What no single value of a tenement.toml can tell: unknown keys, names, and whether its parts fit each other.

import { suggest } from "../../core/did-you-mean.ts";
import { isDomain, isWithin } from "../../core/domain.ts";
import { parseService } from "../../core/name.ts";
import { quote } from "../../core/quote.ts";
import { splitWords } from "../../core/shell-words.ts";
import { otherKey } from "./other-keys.ts";
import { explain, type Problem } from "./problems.ts";
import { knownKeys } from "./toml-schema.ts";

type Table = Readonly<Record<string, unknown>>;

/**
 * The problems of a raw document beside those of its single values. It reads the document as it was written, wrong
 * values included, so that everything is told at once; what is not even a table is left to the shape.
 */
export function crossCheck(document: Table, ownDomain: string): Problem[] {
  const services = Object.entries(table(document.service));
  return [
    ...unknownKeys(document, []),
    ...services.flatMap(([name, service]) => [...serviceProblems(name, table(service))]),
    ...domainProblems(services, ownDomain),
    ...referenceProblems(document, new Set(services.map(([name]) => name))),
  ];
}

function table(value: unknown): Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Table) : {};
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function unknownKeys(value: Table, path: readonly string[]): Problem[] {
  const known = knownKeys(path);
  // A date is an object without keys, which zod takes for an empty table.
  if (known !== undefined && value instanceof Date)
    return [{ path, message: "expected a table, got a date" }];
  return Object.keys(value).flatMap((key) => {
    const inner = [...path, key];
    if (known !== undefined && !known.includes(key)) {
      const advice = otherKey(path, key) ?? (suggest(key, known) || "ten config shows all keys");
      return [{ path: inner, message: `unknown key, ${advice}` }];
    }
    const goesOn = inner.length <= 2 || knownKeys(inner) !== undefined;
    return goesOn ? unknownKeys(table(value[key]), inner) : [];
  });
}

function* serviceProblems(name: string, service: Table): Generator<Problem> {
  const path = ["service", name];
  yield* attempt(path, () => parseService(name));
  const { command } = service;
  if (typeof command === "string" && command.trim() !== "" && strings(service.args).length === 0) {
    yield* attempt([...path, "command"], () => splitWords(command));
  }
  for (const key of ["setup", "before_start", "after_stop"]) {
    const words = service[key];
    if (typeof words === "string" && words.trim() !== "")
      yield* attempt([...path, key], () => splitWords(words));
  }
  yield* portlessProblems(path, service);
  if (service.overlap === false && Number(service.refresh) > 0)
    yield {
      path: [...path, "refresh"],
      message: "needs overlap: an instance that is ended first would leave visitors waiting each time",
    };
  for (const [variable, value] of Object.entries(table(service.env))) {
    const message = variableProblem(variable) ?? expansionProblem(value);
    if (message !== undefined) yield { path: [...path, "env", variable], message };
  }
}

/** Of a service with `port = "none"`, and of one with a schedule: what only makes sense with traffic, or the other way round. */
function* portlessProblems(path: string[], service: Table): Generator<Problem> {
  const { health_command: check } = service;
  if (typeof check === "string" && check.trim() !== "")
    yield* attempt([...path, "health_command"], () => splitWords(check));
  if (service.port !== "none") {
    for (const key of ["schedule", "health_command"].filter((one) => service[one] !== undefined))
      yield { path: [...path, key], message: 'needs port = "none", which says that it listens nowhere' };
    return;
  }
  const traffic = [
    "health",
    "health_host",
    "domains",
    "idle_timeout",
    "on_demand",
    "address",
    "sticky",
    "rescue",
    "shadow_cookies",
  ];
  for (const key of traffic.filter((one) => service[one] !== undefined))
    yield { path: [...path, key], message: 'does not go with port = "none": it gets no traffic' };
  for (const key of ["command", "args", "before_start"])
    if ([service[key]].flat().some((word) => typeof word === "string" && word.includes("{port}")))
      yield { path: [...path, key], message: '{port} does not go with port = "none"' };
  if (service.schedule !== undefined)
    for (const key of ["refresh", "health_command", "instances"].filter((one) => service[one] !== undefined))
      yield { path: [...path, key], message: "does not go with schedule: it runs and ends" };
}

/** What is wrong with a name that is to be set for apps; undefined: nothing. */
export function variableProblem(variable: string): string | undefined {
  if (variable === "PORT")
    return 'ten sets PORT itself; where the app wants another name, write NAME = "{port}"';
  if (variable.startsWith("TEN_")) return "names that begin with TEN_ are set by ten itself";
  // zod leaves __proto__ out of what it returns.
  if (!/^(?!__proto__$)[A-Za-z_]\w*$/.test(variable))
    return "not the name of a variable, allowed: A-Z, a-z, 0-9 and _";
  return undefined;
}

/** No shell reads the value; a `$` in the middle of something else, as in a password, is text. */
function expansionProblem(value: unknown): string | undefined {
  const [whole, name = ""] =
    /\$\{?([A-Z_][A-Z0-9_]+)(?![a-z])\}?/.exec(typeof value === "string" ? value : "") ?? [];
  if (whole === undefined) return undefined;
  const write = name === "PORT" ? "{port}" : `{env.${name}}`;
  return `${whole} is not expanded; write ${write}, or keep a value that is meant so in env_file`;
}

function* attempt(path: readonly PropertyKey[], check: () => unknown): Generator<Problem> {
  try {
    check();
  } catch (thrown) {
    yield { path, message: explain(thrown) };
  }
}

/** A domain belongs to one service, and those that the server answers itself or gives to its services belong to none. */
function* domainProblems(services: readonly [string, unknown][], ownDomain: string): Generator<Problem> {
  const owners = new Map<string, string>();
  for (const [name, service] of services) {
    for (const [index, domain] of strings(table(service).domains).entries()) {
      const path = ["service", name, "domains", index];
      if (!isDomain(domain)) continue;
      const owner = owners.get(domain);
      const own =
        [ownDomain, "localhost"].find((host) => host === domain) ??
        (isWithin(domain, ownDomain) && ownDomain);
      if (own) yield { path, message: `${quote(domain)} is the server's own, as all of ${own} is` };
      else if (owner === name) yield { path, message: `${quote(domain)} is listed twice` };
      else if (owner !== undefined)
        yield { path, message: `${quote(domain)} is already a domain of ${owner}` };
      owners.set(domain, owner ?? name);
    }
  }
}

function* referenceProblems(document: Table, services: ReadonlySet<string>): Generator<Problem> {
  const fallback = table(document.routing).default;
  if (typeof fallback === "string" && table(table(document.service)[fallback]).port === "none")
    yield { path: ["routing", "default"], message: `${fallback} has port = "none" and gets no traffic` };
  const named: [path: string[], name: unknown][] = [
    [["routing", "default"], fallback],
    ...Object.keys(table(document.instances)).map((name): [string[], unknown] => [["instances", name], name]),
  ];
  for (const [path, name] of named) {
    if (typeof name !== "string" || services.has(name)) continue;
    const advice =
      services.size === 0
        ? "the file has no services"
        : suggest(name, [...services]) || `services are: ${[...services].join(", ")}`;
    yield { path, message: `there is no service ${quote(name)}, ${advice}` };
  }
  for (const [name, ids] of Object.entries(table(document.instances))) {
    const twice = strings(ids).find((id, index, all) => all.indexOf(id) !== index);
    if (twice !== undefined) yield { path: ["instances", name], message: `${quote(twice)} is listed twice` };
  }
}
