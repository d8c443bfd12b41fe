// Shipping: a build comes over the API, is unpacked beside its place, moved into it, set up, and counts only then.
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Fault, messageOf } from "../../core/fault.ts";
import { instanceName, isLabel } from "../../core/name.ts";
import type { TreeLimits } from "../../core/release-tree.ts";
import type { Content } from "../../platform/archive/read-archive.ts";
import { requireRoom, unpack } from "../../platform/archive/unpack.ts";
import { accountOf } from "../../platform/process/account.ts";
import { createKeyedLock, type KeyedLock } from "../../platform/time/keyed-lock.ts";
import { usesReleaseDir } from "../config/release.ts";
import type { Service } from "../config/service.ts";
import type { ShippedRow } from "../registry/registry.ts";
import { letThrough } from "../supervisor/confinement.ts";
import { type Context, configured } from "./context.ts";
import { type SetUpParts, setUp } from "./set-up.ts";
import { findShipped, requireNoOther } from "./shipped.ts";

export interface ShipRequest {
  readonly service: string;
  readonly version: string;
  /** What the client says that it holds; what differs is refused. */
  readonly digest: string | undefined;
  /** Unpacked, as the client says: refused at once when there is no room for it. */
  readonly bytes: number | undefined;
}

export interface Shipped {
  readonly row: ShippedRow;
  /** False when that very content was there already. */
  readonly isNew: boolean;
  readonly unpackMs: number;
  readonly setupMs: number;
}

export type ShipStep = "queued" | "unpacking" | "setup";

export interface Shipping {
  /** `signal` is the client's: when it aborts before the end, nothing is left of it. */
  ship(
    request: ShipRequest,
    upload: ReadableStream<Uint8Array>,
    progress: (step: ShipStep, message: string) => void,
    signal: AbortSignal,
  ): Promise<Shipped>;
  /** Removes what a server that died has left: what has no row, and rows whose directory is gone. */
  sweep(): Promise<void>;
}

export interface ShippingParts extends SetUpParts {
  readonly context: Context;
}

const MAX_ENTRIES = 100_000;
const INCOMING = ".incoming-";
const QUEUE_MS = 3_600_000;
const OURS_ALONE = 0o700;
const MB = 1_048_576;

export function limitsOf({ config }: Pick<Context, "config">): TreeLimits {
  return { maxBytes: config().settings.releaseMaxMb * MB, maxEntries: MAX_ENTRIES };
}

export function createShipping(parts: ShippingParts): Shipping {
  return new Shipper(parts);
}

type Progress = (step: ShipStep, message: string) => void;

/** One upload on its way. */
interface Arrival {
  readonly request: ShipRequest;
  readonly service: Service;
  readonly upload: ReadableStream<Uint8Array>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

class Shipper implements Shipping {
  readonly #parts: ShippingParts;
  readonly #queue: KeyedLock;
  /** What is being made: no leftover. */
  readonly #active = new Set<string>();

  constructor(parts: ShippingParts) {
    this.#parts = parts;
    this.#queue = createKeyedLock(parts.context.clock);
  }

  async ship(
    request: ShipRequest,
    upload: ReadableStream<Uint8Array>,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<Shipped> {
    const { context } = this.#parts;
    await context.reread();
    const service = configured(context, request.service);
    if (!usesReleaseDir(service.release)) throw noUse(service.name);
    const name = instanceName(request.service, request.version);
    const turn = {
      name: `the shipping of ${name}`,
      waitMs: QUEUE_MS,
      signal,
      onWait: (holder: string) => progress("queued", `waiting for ${holder}`),
    };
    const stream = until(upload, signal);
    try {
      return await this.#queue.run(name, turn, () =>
        this.#receive({ request, service, upload: stream, progress, signal }),
      );
    } finally {
      void stream.cancel().catch(() => {});
    }
  }

  async sweep(): Promise<void> {
    const { registry, paths } = this.#parts.context;
    for (const service of await namesIn(paths.releases))
      for (const name of await namesIn(join(paths.releases, service)))
        if (!this.#isKnown(service, name)) await this.#remove(join(paths.releases, service, name));
    for (const row of registry.shipped()) {
      if ((await namesIn(join(paths.releases, row.service))).includes(row.version)) continue;
      await registry.write((writer) => writer.removeShipped(row, "its directory is gone"));
    }
  }

  async #receive(arrival: Arrival): Promise<Shipped> {
    const { registry, paths } = this.#parts.context;
    const { request, service, signal } = arrival;
    const { version, digest } = request;
    const known = findShipped(registry, service.name, version);
    if (known && digest !== undefined) {
      requireNoOther(known, digest);
      return alreadyThere(known);
    }
    const parent = join(paths.releases, service.name);
    const incoming = join(parent, `${INCOMING}${crypto.randomUUID()}`);
    const place = paths.release(service.name, version);
    this.#active.add(incoming).add(place);
    try {
      await mkdir(parent, { recursive: true, mode: OURS_ALONE });
      await requireRoom(parent, request.bytes ?? 0);
      return await this.#make(arrival, incoming, known);
    } catch (thrown) {
      if (!findShipped(registry, service.name, version))
        await this.#remove(place, paths.setupLog(service.name, version));
      throw signal.aborted ? signal.reason : thrown;
    } finally {
      await this.#remove(incoming);
      this.#active.delete(incoming);
      this.#active.delete(place);
    }
  }

  /** Unpacks it beside its place, moves it there, sets it up, and only then writes its row. */
  async #make(
    { request, service, upload, progress, signal }: Arrival,
    incoming: string,
    known: ShippedRow | undefined,
  ): Promise<Shipped> {
    const { registry, paths, clock } = this.#parts.context;
    const { name, limits } = service;
    const { version } = request;
    const place = paths.release(name, version);
    const owner = accountOf(limits.user, limits.group);
    const startedMs = clock.monotonic();
    const content = await unpack(upload, incoming, { limits: limitsOf(this.#parts.context), owner });
    requireDigest(content, request.digest);
    signal.throwIfAborted();
    if (known) {
      requireNoOther(known, content.digest);
      return alreadyThere(known);
    }
    if (owner) await letThrough(paths.root, [paths.releases, dirname(place)]);
    // Of one whose removal failed.
    await rm(place, { recursive: true, force: true });
    await rename(incoming, place);
    const unpackedMs = clock.monotonic();
    await setUp(this.#parts, service, version, (line) => progress("setup", line), signal);
    const row = await registry.write((writer) => writer.addShipped({ service: name, version, ...content }));
    const setupMs = clock.monotonic() - unpackedMs;
    return { row, isNew: true, unpackMs: unpackedMs - startedMs, setupMs };
  }

  /** A build that counts, or is being made, or what its set-up wrote. */
  #isKnown(service: string, name: string): boolean {
    const { registry, paths } = this.#parts.context;
    const version = /^_setup-(.*)\.log$/.exec(name)?.[1] ?? name;
    if (this.#active.has(join(paths.releases, service, version))) return true;
    return isLabel(version) && findShipped(registry, service, version) !== undefined;
  }

  async #remove(...all: string[]): Promise<void> {
    const { onTrouble } = this.#parts.context;
    for (const path of all)
      await rm(path, { recursive: true, force: true }).catch((thrown) => onTrouble(messageOf(thrown)));
  }
}

function alreadyThere(row: ShippedRow): Shipped {
  return { row, isNew: false, unpackMs: 0, setupMs: 0 };
}

function requireDigest({ digest }: Content, announced: string | undefined): void {
  if (announced === undefined || announced === digest) return;
  throw new Fault(
    "usage",
    `the archive is refused: its content is ${digest}, and not ${announced} as was announced`,
    "something changed on the way, or while it was packed: deploy again",
  );
}

function noUse(service: string): Fault {
  return new Fault(
    "usage",
    `${service} does not use {release_dir}, so what is shipped would not run`,
    `write it in tenement.toml, for example: command = "{release_dir}/server", or workdir = "{release_dir}"`,
  );
}

/** The stream, until the signal aborts: then it errors with the signal's reason, and its source is cancelled. */
function until(source: ReadableStream<Uint8Array>, signal: AbortSignal): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  // No race with the signal: what lives as long as the upload would hold every piece of it.
  const abort = () => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", abort, { once: true });
  const end = () => signal.removeEventListener("abort", abort);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read().finally(() => signal.throwIfAborted());
        if (!done) return controller.enqueue(value);
        end();
        controller.close();
      },
      cancel(reason) {
        end();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch {
    return [];
  }
}
