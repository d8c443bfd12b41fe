// Who calls ten's admin API.
import type { Principal } from "../../api/access.ts";

/** The admin, or a tenant, who sees and touches only instances whose id is the tenant's. */
export interface Caller extends Principal {
  readonly tenant?: string;
}
