// What the running slum knows by name, for completion.
import type { Asking, Lookup } from "../../cli/command.ts";
import { connect, listAllTenants } from "./connect.ts";

export const names: Readonly<Record<string, Lookup>> = {
  certificate: async (asking) => {
    const { certificates } = await connect(asking).listCertificates({ query: {} }, asking);
    return certificates.map(({ name, state }) => ({ text: name, about: state }));
  },
  server: async (asking) => {
    const { servers } = await connect(asking).listServers({}, asking);
    return servers.map(({ id, status, url }) => ({ text: id, about: `${status}, ${url}` }));
  },
  tenant: async (asking) => (await tenants(asking)).map(({ id, domain }) => ({ text: id, about: domain })),
  domain: async (asking) => (await tenants(asking)).map(({ id, domain }) => ({ text: domain, about: id })),
  webhook: async (asking) => {
    const { webhooks } = await connect(asking).listWebhooks({}, asking);
    return webhooks.map(({ id, url }) => ({ text: id, about: url }));
  },
};

function tenants(asking: Asking) {
  return listAllTenants(connect(asking), asking.signal);
}
