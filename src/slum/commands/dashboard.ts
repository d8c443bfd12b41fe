// `slum dashboard`: a link that logs one browser in.
import { parseServerUrl } from "../../api/dial.ts";
import { loginLink } from "../../api/login-link.ts";
import { dashboardCommand } from "../../cli/dashboard-command.ts";
import { connect } from "./connect.ts";

export default dashboardCommand(parseServerUrl, async (context, at) => {
  const login = await connect(context).loginCode({}, { signal: context.signal });
  return { url: loginLink(login, at), expires_secs: login.expires_secs };
});
