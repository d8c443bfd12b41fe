// `ten webhook`: who is told when something is wrong, and when it is right again.
import { webhookCommands } from "../../webhooks/commands.ts";
import { ALERT_TYPES } from "../registry/alert-kinds.ts";
import { connect } from "./connect.ts";

export default webhookCommands({
  connect,
  types: ALERT_TYPES,
  removeWord: "remove",
  summary: "Tell somebody when something is wrong, and when it is right again",
  elsewhere: {
    rm: "ten webhook remove {rest}",
    delete: "ten webhook remove {rest}",
    del: "ten webhook remove {rest}",
    ls: "ten webhook list {rest}",
    show: "ten webhook list --json",
    create: "ten webhook add {rest}",
    new: "ten webhook add {rest}",
  },
  example: "instance.failed,rollout.*",
});
