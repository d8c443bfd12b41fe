// A server: one tenement as the registry describes it, with what its checks have shown.
import type { ServerRow } from "../registry/schema.ts";
import type { Standing } from "./server-health.ts";
import type { ServerUrl } from "./server-url.ts";

/** A server as it is now; replaced as a whole whenever something about it changes. */
export interface Server {
  readonly id: string;
  readonly drained: boolean;
  readonly standing: Standing;
  readonly row: ServerRow;
  readonly url: ServerUrl;
  /** Smoothed over the last checks that passed; undefined before the first. */
  readonly latencyMs: number | undefined;
  /** Wall clock time of the last check. */
  readonly checkedAt: number | undefined;
  /** Whether it is sent the visitor's Host, and not its own. */
  readonly keepsHost: boolean;
  /** What the last check said. */
  readonly detail: string | undefined;
  readonly lastError: string | undefined;
  /** Wall clock time of it. */
  readonly lastErrorAt: number | undefined;
}
