// The tenants: read when the page opens, after a change and on demand, as there may be a hundred thousand.
import { useEffect, useState } from "preact/hooks";
import { Failure } from "../../api/page/failure.tsx";
import { Fault } from "../../core/fault.ts";
import type { SlumClient } from "../api/contract.ts";
import type { TenantView } from "../api/shapes.ts";
import type { Act } from "./act.ts";

interface TenantsProps {
  readonly client: SlumClient;
  /** Lower-case words that all have to occur. */
  readonly words: readonly string[];
  /** How many there are now; another number, or another `change`, reads them again. */
  readonly total: number;
  readonly change: number;
  readonly onAct: (act: Act) => void;
}

const ROWS = 100;

export function Tenants({ client, words, total, change, onAct }: TenantsProps) {
  const [tenants, setTenants] = useState<readonly TenantView[]>([]);
  const [fault, setFault] = useState<Fault>();
  useEffect(() => {
    client.listTenants({}).then(
      (found) => {
        setTenants(found.tenants);
        setFault(undefined);
      },
      (thrown) => setFault(thrown instanceof Fault ? thrown : new Fault("internal", String(thrown))),
    );
  }, [total, change]);
  const found = tenants.filter((one) =>
    words.every((word) => `${one.id} ${one.domain} ${one.server} ${one.service}`.includes(word)),
  );
  const more = found.length - ROWS;
  return (
    <section class="service" aria-labelledby="tenants">
      <header>
        <h2 id="tenants">Tenants</h2>
        <span class="count">{words.length > 0 ? `${found.length} of ${total}` : total}</span>
      </header>
      <Failure fault={fault} />
      <table>
        <thead>
          <tr>
            <th scope="col">Tenant</th>
            <th scope="col">Home</th>
            <th scope="col">Served by</th>
            <th scope="col">
              <span class="hidden">What can be done</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {found.slice(0, ROWS).map((tenant) => (
            <Row key={tenant.id} tenant={tenant} onAct={onAct} />
          ))}
        </tbody>
      </table>
      {more > 0 && <p class="wait">and {more} more: filter to find them</p>}
    </section>
  );
}

function Row({ tenant, onAct }: { readonly tenant: TenantView; readonly onAct: (act: Act) => void }) {
  const { id, domain, server, service, instance, failover } = tenant;
  return (
    <tr>
      <th scope="row">
        <b>{id}</b>
        <span class="version">{domain}</span>
      </th>
      <td>
        {server}
        <span class="version">{failover === null ? "then any other" : ["then", ...failover].join(" ")}</span>
      </td>
      <td>{instance === null ? service : `${service}:${instance}`}</td>
      <td class="number">
        <button type="button" aria-label={`Move ${id}`} onClick={() => onAct({ kind: "move", tenant })}>
          Move…
        </button>
      </td>
    </tr>
  );
}
