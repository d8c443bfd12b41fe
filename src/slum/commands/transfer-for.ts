// Where `export` and `import` go: to the running slum, or to the registry itself when none runs on this machine.
import type { Context } from "../../cli/command.ts";
import { Fault } from "../../core/fault.ts";
import { shownDatabase } from "../../platform/storage/postgres-url.ts";
import { systemClock } from "../../platform/time/clock.ts";
import type { ImportView } from "../api/shapes.ts";
import { connect } from "./connect.ts";
import { placeOf } from "./place.ts";

export interface DocumentTransfer extends AsyncDisposable {
  export(secrets: boolean): Promise<Readonly<Record<string, unknown>>>;
  import(
    document: object,
    options: { readonly replace: boolean; readonly dryRun: boolean },
  ): Promise<ImportView>;
}

interface Words {
  readonly db: string | undefined;
  readonly keyFile: string | undefined;
}

export async function transferFor(context: Context, words: Words): Promise<DocumentTransfer> {
  const client = connect(context);
  const { signal, globals, env } = context;
  const running = await client.status({}, { signal }).catch((thrown) => {
    if (globals.server === undefined && thrown instanceof Fault && thrown.code === "unreachable")
      return undefined;
    throw thrown;
  });
  const place = placeOf(context, words.db);
  // Who names a registry means that one, also beside a slum that works with another: this is how it moves.
  const isNamed = (words.db ?? env.SLUM_DB) !== undefined && globals.server === undefined;
  const isOther = isNamed && running?.registry.name !== shownDatabase(place.database);
  if (running !== undefined && !isOther)
    return {
      export: (secrets) => client.exportRegistry({ query: { secrets: String(secrets) } }, { signal }),
      import: (document, { replace, dryRun }) =>
        client.importRegistry({ body: { document: { ...document }, replace, dry_run: dryRun } }, { signal }),
      async [Symbol.asyncDispose]() {},
    };
  const { openOffline } = await import("../api/offline.ts");
  const keyFile = words.keyFile ?? env.SLUM_KEY_FILE;
  return openOffline({
    ...place,
    keyFile,
    clock: systemClock,
    product: `slum/${context.program.version}`,
  });
}

/** What a document holds, or an import has done, for people; tokens only where there are any. */
export function countsText({ servers, tenants, webhooks, tokens }: ImportView["added"]): string {
  const text = `${servers} servers, ${tenants} tenants, ${webhooks} webhooks`;
  return tokens === 0 ? text : `${text}, ${tokens} tokens`;
}
