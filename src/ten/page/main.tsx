// The dashboard of ten in the browser: log in, then everything that `ten ps`, `weight`, `route` and `logs` show and do.
import { render } from "preact";
import { Gate } from "../../api/page/gate.tsx";
import { createPageServer } from "../../api/page/server.ts";
import type { Caller } from "../api/caller.ts";
import type { TenContract } from "../api/contract.ts";
import { Dashboard } from "./dashboard.tsx";
import { ways } from "./ways.ts" with { type: "macro" };

const operations = ways();
const advice = (
  <>
    <p>
      Without a token: run <code>ten dashboard</code> on the server's machine, and open the link that it
      prints.
    </p>
    <p>
      The admin's token is in <code>api_token</code> in the data directory; <code>ten token-gen</code> makes
      others.
    </p>
  </>
);

render(
  <Gate
    name="ten"
    advice={advice}
    connect={(onLoggedOut) => createPageServer<TenContract, Caller>(operations, onLoggedOut)}
  >
    {(visitor, { client }, leave) => <Dashboard visitor={visitor} client={client} onLeave={leave} />}
  </Gate>,
  document.body,
);
