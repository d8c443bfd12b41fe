// The dashboard of slum in the browser: log in, then what `slum ps`, `tenant list` and `events` show, and draining and moving.
import { render } from "preact";
import { Gate } from "../../api/page/gate.tsx";
import { createPageServer } from "../../api/page/server.ts";
import type { SlumContract } from "../api/contract.ts";
import { Dashboard } from "./dashboard.tsx";
import { ways } from "./ways.ts" with { type: "macro" };

const operations = ways();

render(
  <Gate name="slum" connect={(onLoggedOut) => createPageServer<SlumContract>(operations, onLoggedOut)}>
    {(visitor, { client }, leave) => <Dashboard visitor={visitor} client={client} onLeave={leave} />}
  </Gate>,
  document.body,
);
