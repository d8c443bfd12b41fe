// How `ten deploy` ships a build: looked through, asked for, and sent only when the server has not got it.
import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { flag, option } from "../../cli/argument.ts";
import type { Context } from "../../cli/command.ts";
import { formatBytes, formatSeconds } from "../../cli/format.ts";
import type { Progress } from "../../cli/progress.ts";
import { Fault, messageOf } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import type { TreeLimits } from "../../core/release-tree.ts";
import { counted, type Packable, surveyDirectory, surveyFile } from "../../platform/archive/pack.ts";
import { packingOf, readArchive } from "../../platform/archive/read-archive.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { TenClient } from "../api/contract.ts";
import { refuseToShipInClear } from "./connect.ts";

export const shipFlags = {
  dir: option("Ship this directory first, without .git and what its .tenignore names", { hint: "DIR" }),
  file: option("Ship this archive (tar, plain or by gzip or zstd), or this single program, first", {
    hint: "FILE",
  }),
  insecure: flag("Ship over plain http all the same, where the network is yours"),
};

interface ShipArgs {
  readonly dir: string | undefined;
  readonly file: string | undefined;
  readonly insecure: boolean;
}

/** What was shipped, as scripts read it. */
export interface ShippedReport {
  readonly digest: string;
  readonly bytes: number;
  readonly entries: number;
  /** Packed; 0 when the server had it already. */
  readonly bytes_sent: number;
  readonly survey_secs: number;
  readonly upload_secs: number;
  readonly setup_secs: number;
}

/** Longer between two signs of life in a pipe than on a terminal, where each is drawn over the last. */
const LINE_EVERY_MS = 5_000;
const FRAME_EVERY_MS = 100;
const BAR_WIDTH = 24;
const HEAD_BYTES = 262;

/** What `--dir` or `--file` names; undefined when neither is given. Throws a usage fault when both are, or it would go in clear. */
export function whatToShip(context: Context, { dir, file, insecure }: ShipArgs) {
  if (dir !== undefined && file !== undefined)
    throw new Fault("usage", "--dir and --file exclude each other", "give one of them");
  if (dir === undefined && file === undefined) {
    if (insecure) throw new Fault("usage", "--insecure needs --dir or --file", "leave it out");
    return undefined;
  }
  if (!insecure) refuseToShipInClear(context);
  if (dir !== undefined) return (limits: TreeLimits) => surveyDirectory(resolve(dir), limits);
  return (limits: TreeLimits) => surveyArchive(resolve(file ?? ""), limits);
}

/** Rejects with a conflict fault when the version was shipped with another content. */
export async function ship(
  client: TenClient,
  { service, version }: { readonly service: string; readonly version: string },
  survey: (limits: TreeLimits) => Promise<Packable>,
  {
    progress,
    signal,
    clock,
  }: { readonly progress: Progress; readonly signal: AbortSignal; readonly clock: Clock },
): Promise<ShippedReport> {
  const params = { service };
  const { limits, releases } = await client.releases({ params }, { signal });
  const startedMs = clock.monotonic();
  progress.update("looking through what is to be shipped");
  const packable = await survey({ maxBytes: limits.max_bytes, maxEntries: limits.max_entries });
  const { digest, bytes, entries } = packable;
  const surveyedMs = clock.monotonic();
  const survey_secs = seconds(surveyedMs - startedMs);
  const known = releases.find((one) => one.version === version);
  if (known?.digest === digest) {
    progress.update(`${service}:${version} is there already, with this very content: nothing was sent`);
    return { digest, bytes, entries, bytes_sent: 0, survey_secs, upload_secs: 0, setup_secs: 0 };
  }
  const meter = createMeter(`shipping ${service}:${version}`, packable, progress, clock);
  const failed = Promise.withResolvers<never>();
  const upload = meter.watch(packable.pack(meter.read), (thrown) => failed.reject(thrown));
  const sending = client.ship(
    { params: { service, version }, query: { digest, bytes }, upload },
    {
      signal,
      onProgress: ({ step, message }) => progress.update(step === "setup" ? `setup: ${message}` : message),
    },
  );
  // Why a body broke off is told by who made it, and by nobody else.
  const done = await Promise.race([sending, failed.promise]);
  const { setup: setup_secs } = done.seconds;
  const upload_secs = Math.round((seconds(clock.monotonic() - surveyedMs) - setup_secs) * 100) / 100;
  return { digest, bytes, entries, bytes_sent: meter.sent(), survey_secs, upload_secs, setup_secs };
}

/** An archive goes as it is; anything else is a program. */
async function surveyArchive(path: string, limits: TreeLimits): Promise<Packable> {
  const file = Bun.file(path);
  const packing = packingOf(await firstBytes(path));
  if (packing === "other") return surveyFile(path, limits);
  const content = await readArchive(file.stream(), limits);
  return {
    ...content,
    // Packed bytes, measured by what they unpack to.
    pack: (onRead) => {
      const rate = content.bytes / Math.max(1, file.size);
      return file.stream().pipeThrough(counted((bytes) => onRead(bytes * rate)));
    },
  };
}

async function firstBytes(path: string): Promise<Uint8Array> {
  try {
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } catch (thrown) {
    const isDirectory = (thrown as NodeJS.ErrnoException).code === "EISDIR";
    const hint = isDirectory ? "ship a directory with --dir" : "check the path";
    throw new Fault("usage", `${quote(path)} cannot be read: ${messageOf(thrown)}`, hint);
  }
}

/** How far it has come, drawn or told now and then. */
function createMeter(what: string, { bytes }: Packable, progress: Progress, clock: Clock) {
  const startedMs = clock.monotonic();
  let read = 0;
  let sent = 0;
  let toldMs = startedMs;
  function tell(): void {
    const nowMs = clock.monotonic();
    if (nowMs - toldMs < (progress.moving ? FRAME_EVERY_MS : LINE_EVERY_MS)) return;
    toldMs = nowMs;
    const part = Math.min(1, read / Math.max(1, bytes));
    const perSecond = read / ((nowMs - startedMs) / 1000);
    const left = part === 0 ? "" : `, ${formatSeconds(((1 - part) * bytes) / perSecond)} left`;
    const bar = "█".repeat(Math.round(part * BAR_WIDTH)).padEnd(BAR_WIDTH, "░");
    const done = `${formatBytes(read)} of ${formatBytes(bytes)}, ${formatBytes(perSecond)}/s${left}`;
    progress.update(`${what} ${progress.moving ? `${bar} ` : ""}${done}`);
  }
  return {
    read(count: number) {
      read += count;
      tell();
    },
    sent: () => sent,
    /** The same bytes, counted; `onFailure` is told when their source breaks. */
    watch(source: ReadableStream<Uint8Array>, onFailure: (thrown: unknown) => void) {
      const reader = source.getReader();
      /** The server wants no more of it, or is gone: whoever sends it learns why. */
      let isUnwanted = false;
      return new ReadableStream<Uint8Array>(
        {
          async pull(controller) {
            const { done, value } = await reader.read().catch((thrown: unknown) => {
              if (!isUnwanted) onFailure(thrown);
              throw thrown;
            });
            if (isUnwanted) return;
            if (done) return controller.close();
            sent += value.byteLength;
            controller.enqueue(value);
          },
          cancel(reason) {
            isUnwanted = true;
            return reader.cancel(reason);
          },
        },
        { highWaterMark: 0 },
      );
    },
  };
}

function seconds(ms: number): number {
  return Math.round(ms / 10) / 100;
}
