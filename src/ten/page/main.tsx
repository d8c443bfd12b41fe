// The dashboard of ten in the browser: log in, then everything that `ten ps`, `weight`, `route` and `logs` show and do.
import { render } from "preact";
import { Gate } from "../../api/page/gate.tsx";
import { createPageServer } from "../../api/page/server.ts";
import type { TenContract } from "../api/contract.ts";
import { Dashboard } from "./dashboard.tsx";
import { ways } from "./ways.ts" with { type: "macro" };

const operations = ways();

render(
  <Gate name="ten" connect={(onLoggedOut) => createPageServer<TenContract>(operations, onLoggedOut)}>
    {(visitor, { client }, leave) => <Dashboard visitor={visitor} client={client} onLeave={leave} />}
  </Gate>,
  document.body,
);
