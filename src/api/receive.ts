// What a request brings, checked against its operation: path names, query and JSON body, or a fault that names the key.
import type { ZodType } from "zod";
import { Fault } from "../core/fault.ts";
import { quote } from "../core/quote.ts";
import type { Clock } from "../platform/time/clock.ts";
import { bodyHint, fitting } from "./misfit.ts";
import type { OldNames, Operation } from "./operation.ts";

/** The most that a JSON body may have, in bytes. */
const BODY_MAX_BYTES = 1024 * 1024;

/** How long it may take to come. */
const BODY_MS = 10_000;

/** How long an upload may be silent while somebody waits for more of it. */
const UPLOAD_SILENCE_MS = 60_000;

/** Throws a `usage` fault (422) for anything that does not fit, whichever part it is in. */
export async function receive(
  operation: Pick<Operation, "params" | "query" | "body" | "bodyMaxBytes" | "upload">,
  request: Request,
  params: Readonly<Record<string, string>>,
  { clock, oldNames = {} }: { readonly clock: Clock; readonly oldNames?: OldNames | undefined },
) {
  const query = operation.query && withNewNames(readQuery(request.url), oldNames);
  const body =
    operation.body &&
    withNewNames(await readJson(operation.body, request, clock, operation.bodyMaxBytes), oldNames);
  return {
    params: operation.params ? fitting(operation.params, params, "") : params,
    query: operation.query && fitting(operation.query, query, "query "),
    body: operation.body && fitting(operation.body, body, ""),
    upload: operation.upload && uploadOf(request, clock),
  };
}

function withNewNames(value: unknown, oldNames: OldNames): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).map(([key, one]): [string, unknown] => {
    const name = Object.hasOwn(oldNames, key) ? (oldNames[key] ?? key) : key;
    if (name !== key && Object.hasOwn(value, name))
      throw new Fault("usage", `${name} is given twice: ${key} is its old name`, "give it once");
    return [name, one];
  });
  return Object.fromEntries(entries);
}

function readQuery(url: string): Record<string, string> {
  const start = url.indexOf("?");
  const query: Record<string, string> = {};
  if (start < 0) return query;
  for (const [key, value] of new URLSearchParams(url.slice(start))) {
    if (Object.hasOwn(query, key))
      throw new Fault("usage", `query ${quote(key)} is given twice`, "give it once");
    Object.defineProperty(query, key, { value, enumerable: true });
  }
  return query;
}

/** Takes the next piece only when it is asked for. Errors with a Fault when the client leaves in the middle, or falls silent. */
function uploadOf({ body }: Request, clock: Clock): ReadableStream<Uint8Array> {
  const reader = body?.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (!reader) return controller.close();
        const late = Promise.withResolvers<never>();
        const cancel = clock.after(UPLOAD_SILENCE_MS, () =>
          late.reject(new Fault("usage", `nothing more came for ${UPLOAD_SILENCE_MS / 1000} s`)),
        );
        try {
          const { done, value } = await Promise.race([reader.read(), late.promise]);
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          void reader.cancel().catch(() => {});
          throw error instanceof Fault ? error : new Fault("usage", "the body broke off before its end");
        } finally {
          cancel();
        }
      },
      cancel: (reason) => reader?.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

async function readJson(
  schema: ZodType,
  request: Request,
  clock: Clock,
  maxBytes?: number,
): Promise<unknown> {
  const text = await readText(request, clock, maxBytes);
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new Fault("usage", "the body is not valid JSON", bodyHint(schema));
  }
}

/** Counts while it reads: a body may lie about its length, announce none, or never end. */
async function readText(request: Request, clock: Clock, maxBytes = BODY_MAX_BYTES): Promise<string> {
  const tooLarge = () => new Fault("usage", `the body is larger than ${maxBytes / 1024} KB`);
  if (Number(request.headers.get("content-length")) > maxBytes) throw tooLarge();
  if (!request.body) return "";
  const reader = request.body.getReader();
  const late = Promise.withResolvers<never>();
  const cancel = clock.after(BODY_MS, () =>
    late.reject(new Fault("usage", `the body did not come within ${BODY_MS / 1000} s`)),
  );
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), late.promise]);
      if (done) return text + decoder.decode();
      bytes += value.byteLength;
      if (bytes > maxBytes) throw tooLarge();
      text += decoder.decode(value, { stream: true });
    }
  } catch (error) {
    void reader.cancel().catch(() => {});
    throw error instanceof Fault ? error : new Fault("usage", "the body broke off before its end");
  } finally {
    cancel();
  }
}
