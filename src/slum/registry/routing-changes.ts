// What has changed in the copy that routing must follow: gathered while it is written, told at once when it stands.
import type { ServerRow, TenantRow } from "./schema.ts";

export interface TenantChange {
  readonly before: TenantRow | undefined;
  readonly after: TenantRow | undefined;
}

/** What routing has to follow when the copy has changed, whoever changed it. */
export interface RoutingChange {
  /** Undefined: all of them may be others. */
  readonly tenants: readonly TenantChange[] | undefined;
  /** Whether servers are others, or only what their checks have shown. */
  readonly servers: "changed" | "checked" | "unchanged";
  /** Servers that were drained just now. */
  readonly drained: readonly string[];
}

export class RoutingChanges {
  readonly #followers = new Set<(change: RoutingChange) => void>();
  #tenants: TenantChange[] = [];
  #drained: string[] = [];
  #servers: RoutingChange["servers"] = "unchanged";

  /** Notes a row of the servers that was added, changed or removed. */
  readonly server = (before: ServerRow | undefined, after: ServerRow | undefined): void => {
    if (!isOnlyChecked(before, after)) this.#servers = "changed";
    else if (this.#servers === "unchanged") this.#servers = "checked";
    if (before && after?.drained && !before.drained) this.#drained.push(after.id);
  };

  /** Notes a row of the tenants that was added, changed or removed. */
  readonly tenant = (before: TenantRow | undefined, after: TenantRow | undefined): void => {
    this.#tenants.push({ before, after });
  };

  follow(call: (change: RoutingChange) => void): void {
    this.#followers.add(call);
  }

  /** Tells the followers what was noted since the last time, if anything was. */
  tell(): void {
    if (this.#servers === "unchanged" && this.#tenants.length === 0) return;
    this.#emit({ tenants: this.#tenants, servers: this.#servers, drained: this.#drained });
  }

  /** Tells them that everything may be another. */
  tellAll(): void {
    this.#emit({ tenants: undefined, servers: "changed", drained: this.#drained });
  }

  #emit(change: RoutingChange): void {
    this.#servers = "unchanged";
    this.#tenants = [];
    this.#drained = [];
    for (const follower of this.#followers) follower(change);
  }
}

/** Whether nothing about a server is other than what its checks have shown. */
function isOnlyChecked(before: ServerRow | undefined, after: ServerRow | undefined): boolean {
  if (!before || !after) return false;
  const { status, statusAt, latencyMs, lastError, lastErrorAt } = after;
  return Bun.deepEquals({ ...before, status, statusAt, latencyMs, lastError, lastErrorAt }, after);
}
