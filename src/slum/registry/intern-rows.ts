// Interns the texts of tenants' rows: with a hundred thousand rows each byte counts.
import type { tenants } from "./schema.ts";

type TenantRow = Readonly<typeof tenants.$inferSelect>;

/** Makes rows smaller: the texts that many have are there once, and a literal is half of an object put together field by field. */
export function internTenants(): (row: TenantRow) => TenantRow {
  const texts = new Map<string, string>();
  const shared = <T extends string>(text: T): T => {
    const known = texts.get(text);
    if (known === undefined) texts.set(text, text);
    return (known as T | undefined) ?? text;
  };
  return ({ seq, id, domain, server, service, instance, failover, writes, createdAt }) => ({
    seq,
    id,
    domain,
    server: shared(server),
    service: shared(service),
    instance: instance === null ? null : shared(instance),
    failover,
    writes: shared(writes),
    createdAt,
  });
}
