// `ten dashboard`: a link that logs one browser in.

import { parseServerUrl } from "../../api/dial.ts";
import { option } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { connect } from "../connect.ts";

export default command({
  name: "dashboard",
  summary: "Print a link that logs a browser in to the dashboard",
  description:
    "The link works once and for two minutes; the session lasts twelve hours at most, and not beyond the server. Without it, the dashboard takes a token.",
  examples: [
    ["ten dashboard", "open what it prints"],
    ["ten dashboard --at https://example.com", "where TLS ends in front of the server"],
    ["ten dashboard --at http://localhost:8080", "through a tunnel: ssh -L 8080:localhost:8080"],
  ],
  args: {
    at: option("Where the browser reaches the server, if not as the server thinks", {
      hint: "URL",
      read: parseServerUrl,
    }),
  },
  async run(context) {
    const { args, out, signal } = context;
    const { code, url, expires_secs } = await connect(context).loginCode({}, { signal });
    // Behind the #, which no browser sends and no log gets.
    const link = new URL(`#code=${code}`, args.at ?? url).href;
    out.data({ url: link, expires_secs }, () => `${link}\n`);
    out.hint(`it works once, within ${expires_secs / 60} minutes`);
    return 0;
  },
});
