// Every operation of a contract, asked by every kind of caller, about what is its own and about what is not.
import type { Contract, Operation } from "../../src/api/operation.ts";

/** What of an operation a request has to say; `service` is the one that it is about, where it is about one. */
export interface Question {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** One for each operation: TypeScript says so when one is missing. */
export type Questions<C extends Contract> = { readonly [K in keyof C]: (service: string) => Question };

/** Who may call it, by name; `open` is anybody. */
export type Allowed<C extends Contract, Who extends string> = {
  readonly [K in keyof C]: "open" | readonly Who[];
};

/** `allowed`, or the code of the fault; a stream of progress counts by its last line. */
export async function verdict(
  port: number,
  { method, path, transport }: Operation,
  { params = {}, query = {}, body }: Question,
  token: string | undefined,
): Promise<string> {
  const filled = path.replace(/:([a-z_]+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
  const search = new URLSearchParams(query);
  const response = await fetch(`http://127.0.0.1:${port}${filled}?${search}`, {
    method,
    headers: {
      Host: "localhost",
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (response.ok && transport === "events") {
    await response.body?.cancel();
    return "allowed";
  }
  const text = await response.text();
  if (response.ok && transport !== "progress") return "allowed";
  const last = JSON.parse(text.trim().split("\n").at(-1) ?? "null") as {
    readonly error?: { readonly code: string };
  };
  return last.error?.code ?? "allowed";
}
