// The command `dashboard` of both programs: prints a link that logs one browser in.
import { option } from "./argument.ts";
import { type Command, type Context, command } from "./command.ts";

interface LoginLink {
  readonly url: string;
  readonly expires_secs: number;
}

/** `readUrl` reads where the browser reaches the server; `makeLink` asks the server for a link to there. */
export function dashboardCommand(
  readUrl: (text: string) => URL,
  makeLink: (context: Context, at: URL | undefined) => Promise<LoginLink>,
): Command {
  return command({
    name: "dashboard",
    summary: "Print a link that logs a browser in to the dashboard",
    description:
      "The link works once and for two minutes; the session lasts twelve hours at most, and not beyond the server. Without it, the dashboard takes a token.",
    examples: [
      ["{program} dashboard", "open what it prints"],
      ["{program} dashboard --at https://example.com", "where TLS ends in front of the server"],
      ["{program} dashboard --at http://localhost:8080", "through a tunnel: ssh -L 8080:localhost:8080"],
    ],
    args: {
      at: option("Where the browser reaches the server, if not as the server thinks", {
        hint: "URL",
        read: readUrl,
      }),
    },
    async run({ args, ...context }) {
      const link = await makeLink(context, args.at);
      context.out.data({ ...link }, () => `${link.url}\n`);
      context.out.hint(`it works once, within ${link.expires_secs / 60} minutes`);
      return 0;
    },
  });
}
