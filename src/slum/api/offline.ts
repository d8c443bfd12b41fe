// Export and import without a running slum: the registry itself, opened for as long as that takes.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Fault } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import { claimDirectory } from "../../platform/storage/data-directory.ts";
import { backUp } from "../../platform/storage/database.ts";
import { isPostgresUrl } from "../../platform/storage/postgres-url.ts";
import { openSecretBox, type SecretBox } from "../../platform/storage/secret-box.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { createTransfer, type ImportOptions } from "../operations/transfer.ts";
import { boxFor, openRegistryAt } from "../registry/open-registry.ts";
import { type DataPaths, dataPaths } from "../registry/paths.ts";
import { formatDocument, parseDocument } from "./document.ts";
import { importView } from "./handlers.ts";
import type { ImportView } from "./shapes.ts";

export interface OfflineTransfer extends AsyncDisposable {
  export(secrets: boolean): Promise<Readonly<Record<string, unknown>>>;
  import(document: object, options: ImportOptions): Promise<ImportView>;
}

export interface RegistryPlace {
  readonly paths: DataPaths;
  /** A path, or a URL that begins with postgres://. */
  readonly database: string;
  readonly keyFile: string | undefined;
  readonly clock: Clock;
  /** `slum/0.1.0`. */
  readonly product: string;
}

/** A slum that does not run says nothing of its domain. */
const OWN_HOSTS: ReadonlySet<string> = new Set(["localhost"]);

/** A registry in a file is held meanwhile, so that no slum starts on it. */
export async function openOffline(place: RegistryPlace): Promise<OfflineTransfer> {
  const { paths, database, keyFile, clock, product } = place;
  await using opened = new AsyncDisposableStack();
  const claimed = isPostgresUrl(database)
    ? undefined
    : opened.use(claimDirectory(paths.root, { program: "slum" }));
  const registry = opened.use(await open(database, clock, boxFor(database, keyFile, paths)));
  const transfer = createTransfer(registry, OWN_HOSTS, clock);
  claimed?.keep();
  const owned = opened.move();
  return {
    export: async (secrets) => ({ ...formatDocument(transfer.export(secrets), product, clock.now()) }),
    import: async (document, options) =>
      importView(await transfer.import(await parseDocument(document, clock), options), options.dryRun),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** All of another registry, secrets included: of a file as it is at this moment, also while a slum writes to it, whichever version has made it. */
export async function readRegistryDocument(
  database: string,
  keyFile: string | undefined,
  clock: Clock,
): Promise<object> {
  await using opened = new AsyncDisposableStack();
  const registry = opened.use(await open(...(await readable(database, keyFile, clock, opened))));
  return formatDocument(createTransfer(registry, OWN_HOSTS, clock).export(true), "slum", clock.now());
}

async function readable(
  database: string,
  keyFile: string | undefined,
  clock: Clock,
  opened: AsyncDisposableStack,
): Promise<Parameters<typeof open>> {
  if (isPostgresUrl(database))
    return [database, clock, keyFile === undefined ? undefined : openSecretBox(keyFile)];
  if (!existsSync(database))
    throw new Fault(
      "not_found",
      `there is no ${quote(database)}`,
      "give the path of a slum.db, or postgres://...",
    );
  const directory = mkdtempSync(join(tmpdir(), "slum-import-"));
  opened.defer(() => rmSync(directory, { recursive: true, force: true }));
  const copy = join(directory, "slum.db");
  backUp(database, copy);
  return [copy, clock, openSecretBox(keyFile ?? dataPaths(dirname(database)).registryKey)];
}

function open(database: string, clock: Clock, box: SecretBox | undefined) {
  return openRegistryAt({ database, slumId: "offline", clock, fallback: undefined, box });
}
