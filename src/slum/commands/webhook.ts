// `slum webhook`: the commands about receivers of webhooks.
import { webhookCommands } from "../../webhooks/commands.ts";
import { ALERT_TYPES } from "../webhooks/alerts.ts";
import { connect } from "./connect.ts";
import { inGroup } from "./other-words.ts";

export default webhookCommands({
  connect,
  types: ALERT_TYPES,
  removeWord: "delete",
  summary: "Tell somebody when servers stay down",
  elsewhere: inGroup("webhook"),
  example: "fleet.*,tenants.unroutable",
});
