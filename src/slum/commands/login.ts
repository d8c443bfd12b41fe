// `slum login`: keeps a token for a server.
import { createClient } from "../../api/client.ts";
import { parseServerUrl, unreachableAt } from "../../api/dial.ts";
import { loginCommand } from "../../cli/login-command.ts";
import { contract } from "../api/contract.ts";

export default loginCommand(parseServerUrl, ({ signal, program }, url, token) => {
  const endpoint = { url, token };
  const client = createClient(contract, {
    endpoint,
    product: `slum/${program.version}`,
    unreachable: unreachableAt(endpoint, "server", "start it: slum serve"),
  });
  return client.whoAmI({}, { signal });
});
