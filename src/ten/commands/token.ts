// `ten token`: makes, lists, takes back and replaces tokens.
import { tokenCommands } from "../../cli/token-command.ts";
import { connect } from "./connect.ts";
import { createTokenHere } from "./token-gen.ts";

export default tokenCommands({
  connect,
  createHere: createTokenHere,
  scopes: ["read", "deploy", "tenant", "admin"],
  examples: [
    ["ten token create ci --scope deploy --service api --expires 90d", "what a CI job gets"],
    ["ten token create grafana", "looks, and nothing more"],
    ["ten token create acme --tenant acme --service shop", "for the instances with the id acme"],
    ["ten token create ops --scope admin", "everything"],
  ],
});
