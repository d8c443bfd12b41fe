// A contract without its shapes, for the page: a macro, so that the schemas and their library stay out of the bundle.
import type { Way } from "../client.ts";
import type { Contract } from "../operation.ts";

export function waysOf<C extends Contract>(contract: C): Readonly<Record<keyof C, Way>> {
  const ways = Object.entries(contract).map(([name, { method, path, transport, timeoutMs }]) => [
    name,
    { method, path, ...(transport && { transport }), ...(timeoutMs && { timeoutMs }) },
  ]);
  return Object.fromEntries(ways);
}
