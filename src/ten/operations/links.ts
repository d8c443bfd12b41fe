// Links to one instance, past the weights: for who is to look at a version before it takes traffic.
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import { hashOfLink } from "../../proxy/front/link.ts";
import type { Context } from "./context.ts";

export interface Links {
  /** What a new link carries; it is shown once. Any number may be in force. */
  create(service: string, id: string, forMs: number): Promise<string>;
  /** Revokes all links to an instance at once; how many were in force. */
  revoke(service: string, id: string): Promise<number>;
  /** Those in force: how many there are to each instance, and when the last is over. */
  list(): readonly LinksTo[];
}

export interface LinksTo {
  readonly service: string;
  readonly id: string;
  readonly count: number;
  readonly until: number;
}

const MOST_LINKS = 1_000;

export function createLinks({ registry, routes, clock }: Context): Links {
  const inForce = (service: string) =>
    (registry.links.get(service) ?? []).filter(({ expiresAt }) => expiresAt > clock.now());
  return {
    async create(service, id, forMs) {
      const row = registry.get(service, id);
      const name = instanceName(service, id);
      if (row.desired === "stopped")
        throw new Fault("conflict", `${name} is stopped`, `start it first: ten spawn ${name} --weight 0`);
      if (inForce(service).length >= MOST_LINKS)
        throw new Fault(
          "conflict",
          `${service} has ${MOST_LINKS} links`,
          `revoke some: ten link ${name} --revoke`,
        );
      const token = Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString("base64url");
      const createdAt = clock.now();
      await registry.write((writer) => {
        writer.addLink({
          service,
          label: id,
          hash: hashOfLink(token),
          createdAt,
          expiresAt: createdAt + forMs,
        });
        writer.event(service, id, "link", `made, for ${forMs / 1000} s`);
      });
      await routes.publish();
      return token;
    },
    async revoke(service, id) {
      const count = inForce(service).filter(({ label }) => label === id).length;
      await registry.write((writer) => {
        writer.removeLinks(service, id);
        if (count > 0) writer.event(service, id, "link", `revoked, ${count}`);
      });
      await routes.publish();
      return count;
    },
    list() {
      const all = [...registry.links.keys()].flatMap(inForce);
      const byInstance = Map.groupBy(all, ({ service, label }) => instanceName(service, label));
      return Array.from(byInstance.values(), ([first, ...rest]) => ({
        service: first?.service ?? "",
        id: first?.label ?? "",
        count: rest.length + 1,
        until: Math.max(first?.expiresAt ?? 0, ...rest.map(({ expiresAt }) => expiresAt)),
      }));
    },
  };
}
