// Certificates in directories of the operator's (or certbot's, or Caddy's): read, checked, watched, and replaced while they serve.
import { readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { Fault, messageOf } from "../core/fault.ts";
import { quote } from "../core/quote.ts";
import { NameIndex } from "../core/server-name.ts";
import type { Clock } from "../platform/time/clock.ts";
import { type Certificate, readCertificate } from "./certificate.ts";

export interface FileCertificate extends Certificate {
  /** The file that has the certificate. */
  readonly path: string;
}

export interface CertificateFiles extends Disposable {
  /** The certificate for a name: exact, then by wildcard. */
  find(name: string): FileCertificate | undefined;
  /** The one called `default`, for who names no host or a foreign one. */
  fallback(): FileCertificate | undefined;
  list(): readonly FileCertificate[];
  /** What could not be taken, by path. */
  problems(): ReadonlyMap<string, string>;
  /** Looks for changes now. */
  look(): void;
}

export interface FilesOptions {
  /** Files and directories; directories with all that is below them, links followed. */
  readonly paths: readonly string[];
  readonly clock: Clock;
  /** Told once of each thing that cannot be taken; what was there before stays in force. */
  onProblem(text: string): void;
  onReplaced(certificate: FileCertificate): void;
  /** Some certificate is another one, or gone. */
  onChange(): void;
}

const LOOK_EVERY_MS = 5_000;
const DEPTH_MOST = 5;
const FILES_MOST = 20_000;
const BYTES_MOST = 1 << 20;
const CERTIFICATE_FILE = /\.(crt|cer|cert|pem)$/;
const HINT = "the certificate before it, if there was one, stays in force";

/** A certificate's file with its key's; both may be one. */
interface FilePair {
  readonly path: string;
  readonly keyPath: string;
}

interface Known {
  /** Of both files, as they were when they were read. */
  readonly state: string;
  readonly certificate: FileCertificate | undefined;
}

/** Reads everything once; throws a usage fault for a path that is not there. What is wrong with single files is told and left out. */
export function openCertificateFiles(options: FilesOptions): CertificateFiles {
  const { paths, clock } = options;
  for (const path of paths) if (stateOf(path) === undefined) throw notThere(path);
  const known = new Map<string, Known>();
  const problems = new Map<string, string>();
  let index = new NameIndex<FileCertificate>();

  function look(): void {
    const found = new Map(
      paths.flatMap((path) => pairsAt(path, DEPTH_MOST, problem)).map((pair) => [pair.path, pair]),
    );
    let isChanged = false;
    for (const pair of found.values()) isChanged = take(pair) || isChanged;
    for (const path of [...known.keys()]) {
      if (found.has(path)) continue;
      known.delete(path);
      problems.delete(path);
      isChanged = true;
    }
    if (!isChanged) return;
    index = indexed(known.values());
    options.onChange();
  }

  /** Reads a pair that is not as it was; whether another certificate came of it. */
  function take(pair: FilePair): boolean {
    const { path, keyPath } = pair;
    const before = known.get(path);
    const state = `${stateOf(path)} ${stateOf(keyPath)}`;
    if (before?.state === state) return false;
    try {
      const certificate = readPair(pair, clock.now());
      problems.delete(path);
      known.set(path, { state, certificate });
      const isNew = before?.certificate?.serial !== certificate.serial;
      if (before !== undefined && isNew) options.onReplaced(certificate);
      return true;
    } catch (thrown) {
      known.set(path, { state, certificate: before?.certificate });
      problem(path, messageOf(thrown));
      return false;
    }
  }

  function problem(path: string, text: string): void {
    if (problems.get(path) === text) return;
    problems.set(path, text);
    options.onProblem(`${text}; ${HINT}`);
  }

  look();
  const stop = clock.every(LOOK_EVERY_MS, look);
  return {
    find: (name) => index.get(name),
    fallback: () => [...known].find(([path]) => stem(path) === "default")?.[1].certificate,
    list: () => [...known.values()].flatMap(({ certificate }) => certificate ?? []),
    problems: () => problems,
    look,
    [Symbol.dispose]: stop,
  };
}

/** Of several for one name the one that ends last. */
function indexed(all: Iterable<Known>): NameIndex<FileCertificate> {
  const index = new NameIndex<FileCertificate>();
  const certificates = [...all].flatMap(({ certificate }) => certificate ?? []);
  for (const certificate of certificates.sort((a, b) => a.life.notAfter - b.life.notAfter))
    for (const name of certificate.names) index.set(name, certificate);
  return index;
}

/** Finds certificates below a path: NAME.crt with NAME.key, both in one, or certbot's fullchain.pem with privkey.pem. */
function pairsAt(path: string, depth: number, problem: (path: string, text: string) => void): FilePair[] {
  const stats = statsOf(path);
  if (stats === undefined) return [];
  if (!stats.isDirectory()) return [pairOf(path, () => true)];
  if (isOpenToOthers(stats)) {
    problem(
      path,
      `${quote(path)} can be written by other users: its certificates are not taken (chmod go-w ${path})`,
    );
    return [];
  }
  const names = namesIn(path);
  if (names.length > FILES_MOST) {
    problem(path, `${quote(path)} has more than ${FILES_MOST} files`);
    return [];
  }
  const has = new Set(names);
  const isCertbots = has.has("fullchain.pem") && has.has("privkey.pem");
  if (isCertbots) return [{ path: join(path, "fullchain.pem"), keyPath: join(path, "privkey.pem") }];
  return names.flatMap((name) => {
    const file = join(path, name);
    if (name.startsWith(".")) return [];
    if (statsOf(file)?.isDirectory()) return depth > 0 ? pairsAt(file, depth - 1, problem) : [];
    return CERTIFICATE_FILE.test(name) && !/privkey|key\.pem$/.test(name)
      ? [pairOf(file, (key) => has.has(key))]
      : [];
  });
}

function pairOf(path: string, has: (name: string) => boolean): FilePair {
  const directory = dirname(path);
  const keyName = [`${stem(path)}.key`, `${stem(path)}-key.pem`].find(
    (name) => has(name) && stateOf(join(directory, name)),
  );
  return { path, keyPath: keyName === undefined ? path : join(directory, keyName) };
}

function readPair({ path, keyPath }: FilePair, now: number): FileCertificate {
  for (const file of new Set([path, keyPath])) {
    const stats = statSync(file);
    if (stats.size > BYTES_MOST) throw new Error(`${quote(file)} is larger than a certificate`);
    if (isOpenToOthers(stats))
      throw new Error(`${quote(file)} can be written by other users (chmod go-w ${file})`);
  }
  const key = readFileSync(keyPath, "utf8");
  const text =
    keyPath === path
      ? key
      : `${readFileSync(path, "utf8")}\n${key.replace(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g, "")}`;
  return { ...readCertificate(text, path, now), path };
}

function isOpenToOthers({ mode }: Stats): boolean {
  return (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && process.getuid?.() === 0);
}

function stem(path: string): string {
  return basename(path, extname(path));
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch {
    return [];
  }
}

function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** Changes whenever the file does, be it by a link that leads elsewhere. */
function stateOf(path: string): string | undefined {
  const stats = statsOf(path);
  return stats && `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeMs}:${stats.mode}`;
}

function notThere(path: string): Fault {
  return new Fault(
    "usage",
    `there are no certificates at ${quote(path)}`,
    "give a directory, or a file in PEM, that this user can read",
  );
}
