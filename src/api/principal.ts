// Who calls an admin API, and what that may do.
import { Fault } from "../core/fault.ts";
import type { Operation } from "./operation.ts";

/** `read` looks; `deploy` also releases; `tenant` has the instances that are its own; `admin` does everything. */
export const SCOPES = ["read", "deploy", "tenant", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

export interface Principal {
  /** The name of the token, or the user at the socket. */
  readonly name: string;
  readonly scope: Scope;
  /** The only services that it may see and touch; undefined: all. */
  readonly services?: readonly string[];
  /** Of the scope `tenant`: the id that its instances have. */
  readonly tenant?: string;
}

const RANKS: Readonly<Record<Exclude<Scope, "tenant">, number>> = { read: 1, deploy: 2, admin: 3 };

/** Throws `forbidden` when the scope does not reach that far; which services is another question. */
export function requireScope(
  { scope, name }: Principal,
  { scope: needed, tenants }: Pick<Operation, "scope" | "tenants">,
): void {
  if (needed === "open" || (scope === "tenant" ? tenants : RANKS[scope] >= RANKS[needed])) return;
  throw new Fault(
    "forbidden",
    `this needs a token of the scope ${needed}, and ${name} has ${scope}`,
    needed === "admin" ? "ask an admin, or do it on the server's machine" : undefined,
  );
}

export function mayUse({ services }: Principal, service: string): boolean {
  return services === undefined || services.includes(service);
}

/** Throws `forbidden` for a service that the token was not made for. */
export function requireService(principal: Principal, service: string): void {
  if (mayUse(principal, service)) return;
  const own = principal.services?.join(", ") ?? "";
  throw new Fault("forbidden", `${principal.name} may use ${own || "no service"}, and not ${service}`);
}
