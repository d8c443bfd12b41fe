// The operations on shipped builds: one is received, and what is there is listed.
import type { Handler } from "../../api/server.ts";
import type { Control } from "../operations/control.ts";
import { usersOf } from "../operations/shipped.ts";
import { limitsOf } from "../operations/shipping.ts";
import type { TenContract } from "./contract.ts";

export interface ShippingHandlers {
  readonly ship: Handler<TenContract["ship"]>;
  readonly releases: Handler<TenContract["releases"]>;
}

export function createShippingHandlers(control: Control): ShippingHandlers {
  const { shipping, registry } = control;
  return {
    async ship({ params, query, upload, signal }, report) {
      const request = { ...params, digest: query.digest, bytes: query.bytes };
      const tell = (step: string, message: string) => report({ step, message });
      const { row, isNew, unpackMs, setupMs } = await shipping.ship(request, upload, tell, signal);
      const { service, version, digest, bytes, entries } = row;
      const seconds = { unpack: toSeconds(unpackMs), setup: toSeconds(setupMs) };
      return { service, version, digest, bytes, entries, new: isNew, seconds };
    },
    releases({ params: { service } }) {
      control.requireKnown(service);
      const { maxBytes, maxEntries } = limitsOf(control);
      const found = registry.shipped(service).toReversed();
      return {
        service,
        limits: { max_bytes: maxBytes, max_entries: maxEntries },
        releases: found.map((row) => ({
          version: row.version,
          digest: row.digest,
          bytes: row.bytes,
          entries: row.entries,
          at: new Date(row.at).toISOString(),
          by: row.actor,
          in_use: usersOf(registry, row),
        })),
      };
    },
  };
}

function toSeconds(ms: number): number {
  return Math.round(ms / 10) / 100;
}
