// The command `login` of both programs: keeps a token for a server, once it is known to be right.
import { flag, word } from "./argument.ts";
import { askSecret } from "./ask-secret.ts";
import { type Command, type Context, command } from "./command.ts";
import { readTokenFile, refuseInClear, writeLogin } from "./credentials.ts";

export interface WhoAmI {
  readonly name: string;
  readonly scope: string;
  readonly services: readonly string[] | null;
  readonly tenant: string | null;
}

/** `whoAmI` asks a server whose token that is; rejects when it is nobody's. */
export function loginCommand(
  readUrl: (text: string) => URL,
  whoAmI: (context: Context, url: URL, token: string) => Promise<WhoAmI>,
): Command {
  return command({
    name: "login",
    summary: "Keep a token for a server, so that commands find it",
    description:
      "Asks for the token without showing it, or reads it from stdin or --token-file; checks it; and writes it to credentials.toml in your configuration directory, which nobody else may read.",
    examples: [
      ["{program} login https://admin.example.com", "then: {program} ps --server https://admin.example.com"],
      ["{program} login https://admin.example.com < token.txt", "in a script"],
    ],
    args: {
      url: word("The server", { hint: "URL", read: readUrl }),
      insecure: flag("Over plain http all the same, where the network is yours"),
    },
    async run(context) {
      const { args, globals, out, env, program, signal } = context;
      if (!args.insecure) refuseInClear(args.url, "the token");
      const { tokenFile, token: given } = globals;
      const asked = tokenFile === undefined ? given : readTokenFile(tokenFile);
      const token = asked ?? (await askSecret(`Token for ${args.url.origin}: `, signal));
      const who = await whoAmI(context, args.url, token);
      const path = writeLogin(program.name, env, args.url, token);
      out.data(
        { server: args.url.origin, ...who, file: path },
        () => `${describe(who)} at ${args.url.origin}\n`,
      );
      out.hint(`it is kept in ${path}; ${program.name} ps --server ${args.url.origin}`);
      return 0;
    },
  });
}

/** `ci (deploy, for api)` */
export function describe({ name, scope, services, tenant }: WhoAmI): string {
  const more = [
    ...(tenant === null ? [] : [`tenant ${tenant}`]),
    ...(services === null ? [] : [`for ${services.join(", ")}`]),
  ];
  return `${name} (${[scope, ...more].join(", ")})`;
}
