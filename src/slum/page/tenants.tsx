// The tenants, found by the server and shown in pages: there may be a hundred thousand.

import { useEffect, useState } from "preact/hooks";
import type { Address } from "../../api/page/address.ts";
import { Headings } from "../../api/page/cards.tsx";
import { Failure } from "../../api/page/failure.tsx";
import { faultOf } from "../../api/page/fault.ts";
import { wordsOf } from "../../api/page/frame.tsx";
import { Name } from "../../api/page/name.tsx";
import type { Fault } from "../../core/fault.ts";
import type { SlumClient } from "../api/contract.ts";
import type { TenantView } from "../api/shapes.ts";
import type { Act } from "./act.ts";

interface TenantsProps {
  readonly client: SlumClient;
  readonly filter: string;
  readonly address: Address;
  /** How many there are now, and how many without a server; other numbers, `change` or `standing` read the page again. */
  readonly total: number;
  readonly unroutable: number;
  readonly change: number;
  /** What all servers are: who serves a tenant follows from it. */
  readonly standing: string;
  readonly mayAct: boolean;
  readonly onAct: (act: Act) => void;
}

/** The word of the filter that finds those that no server takes. */
export const UNROUTABLE = "unroutable";
const ROWS = 50;
const TYPED_MS = 200;

interface Found {
  readonly tenants: readonly TenantView[];
  readonly total: number;
}

function useTenants({ client, filter, address, total, unroutable, change, standing }: TenantsProps) {
  const [found, setFound] = useState<Found>();
  const [fault, setFault] = useState<Fault>();
  const page = Math.max(1, Number(address.of("page") ?? 1) || 1);
  useEffect(() => {
    const stop = new AbortController();
    const words = wordsOf(filter);
    const query = {
      search: words.filter((word) => word !== UNROUTABLE).join(" "),
      unroutable: words.includes(UNROUTABLE) ? ("true" as const) : ("false" as const),
      offset: (page - 1) * ROWS,
      limit: ROWS,
    };
    const read = () =>
      client.listTenants({ query }, { signal: stop.signal }).then(
        (answer) => {
          setFound(answer);
          setFault(undefined);
        },
        (thrown) => {
          if (stop.signal.aborted) return;
          setFault(faultOf(thrown));
        },
      );
    const timer = setTimeout(read, TYPED_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [filter, page, total, unroutable, change, standing]);
  return { found, fault, page };
}

export function Tenants(props: TenantsProps) {
  const { filter, address, total, mayAct, onAct } = props;
  const { found, fault, page } = useTenants(props);
  const matching = found?.total ?? 0;
  const pages = Math.max(1, Math.ceil(matching / ROWS));
  const turn = (to: number) => address.go({ page: to === 1 ? undefined : String(to) });
  return (
    <section class="service" aria-labelledby="tenants">
      <header>
        <h2 id="tenants">Tenants</h2>
        <span class="count">{filter === "" ? total : `${matching} of ${total}`}</span>
        {pages > 1 && (
          <nav class="acts" aria-label="Pages of tenants">
            <button type="button" disabled={page <= 1} onClick={() => turn(page - 1)}>
              Previous
            </button>
            <span class="count">
              page {page} of {pages}
            </span>
            <button type="button" disabled={page >= pages} onClick={() => turn(page + 1)}>
              Next
            </button>
          </nav>
        )}
      </header>
      <Failure fault={fault} />
      {found && matching === 0 && (
        <p class="wait">
          {filter === "" ? "none; add one: slum tenant add ID DOMAIN SERVER SERVICE" : "no tenant matches"}
        </p>
      )}
      {found && matching > 0 && (
        <Table tenants={found.tenants} mayAct={mayAct} onAct={onAct} address={address} />
      )}
    </section>
  );
}

interface TableProps extends Pick<TenantsProps, "mayAct" | "onAct" | "address"> {
  readonly tenants: readonly TenantView[];
}

function Table({ tenants, ...rest }: TableProps) {
  return (
    <table class="tenants">
      <Headings
        words={["Tenant", "Served by", "Home", "Serves"]}
        {...(rest.mayAct && { hidden: "What can be done" })}
      />
      <tbody>
        {tenants.map((tenant) => (
          <Row key={tenant.id} tenant={tenant} {...rest} />
        ))}
      </tbody>
    </table>
  );
}

interface RowProps extends Pick<TenantsProps, "mayAct" | "onAct" | "address"> {
  readonly tenant: TenantView;
}

function Row({ tenant, mayAct, onAct, address }: RowProps) {
  const { id, domain, server, service, instance } = tenant;
  return (
    <tr>
      <th scope="row">
        <button
          type="button"
          class="name"
          aria-label={`Tenant ${id}`}
          onClick={() => address.go({ tenant: domain, server: undefined })}
        >
          <Name text={id} />
        </button>
        <span class="version">
          <Name text={domain} />
        </span>
      </th>
      <td>
        <ServedBy tenant={tenant} />
      </td>
      <td>
        <Name text={server} />
        <span class="version">{afterHome(tenant)}</span>
      </td>
      <td>
        <Name text={instance === null ? service : `${service}:${instance}`} />
      </td>
      {mayAct && (
        <td class="number">
          <button type="button" aria-label={`Move ${id}`} onClick={() => onAct({ kind: "move", tenant })}>
            Move…
          </button>
        </td>
      )}
    </tr>
  );
}

function ServedBy({ tenant: { served_by: by, routable, server } }: { readonly tenant: TenantView }) {
  if (by === null || !routable) return <span class="badge state-failed">no server is online</span>;
  return (
    <>
      <Name text={by} />
      {by !== server && <span class="badge warn">failover</span>}
    </>
  );
}

function afterHome({ failover }: TenantView): string {
  if (failover === null) return "then any other";
  return failover.length === 0 ? "and no other" : `then ${failover.join(", ")}`;
}
