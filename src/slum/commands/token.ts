// `slum token`: makes, lists, takes back and replaces tokens.
import { tokenCommands } from "../../cli/token-command.ts";
import { connect } from "./connect.ts";
import { createTokenHere } from "./token-gen.ts";

export default tokenCommands({
  connect,
  createHere: createTokenHere,
  scopes: ["read", "admin"],
  examples: [
    ["slum token create ops --scope admin --expires 90d", "everything, for a quarter"],
    ["slum token create grafana", "looks, and nothing more"],
  ],
});
