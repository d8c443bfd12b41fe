// `ten cert`: lists, adds, renews and revokes certificates.
import { certCommands } from "../../cli/cert-command.ts";
import { connect } from "./connect.ts";

export default certCommands(connect);
