// Interns the texts of tenants' rows: with a hundred thousand rows each byte counts.
import type { tenants } from "./schema.ts";

type TenantRow = Readonly<typeof tenants.$inferSelect>;

/** Makes rows smaller: the texts and lists that many have are there once, and a literal is half of an object put together field by field. */
export function internTenants(): (row: TenantRow) => TenantRow {
  const texts = new Map<string, string>();
  const shared = <T extends string>(text: T): T => {
    const known = texts.get(text);
    if (known === undefined) texts.set(text, text);
    return (known as T | undefined) ?? text;
  };
  const lists = new Map<string, readonly string[]>();
  const sharedList = (list: readonly string[]) => {
    const key = list.join(" ");
    const known = lists.get(key) ?? list;
    lists.set(key, known);
    return known;
  };
  return ({ seq, id, domain, server, service, instance, failover, writes, createdAt }) => ({
    seq,
    id,
    domain,
    server: shared(server),
    service: shared(service),
    instance: instance === null ? null : shared(instance),
    failover: failover === null ? null : sharedList(failover),
    writes: shared(writes),
    createdAt,
  });
}
