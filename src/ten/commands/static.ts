// `ten static`: a site of plain files as an app.
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { flag, number, option, withDefault, word } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { Fault } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import { probePort } from "../../platform/net/unix-socket.ts";
import { createSite } from "../static/site.ts";

export default command({
  name: "static",
  summary: "Serve a directory of plain files, as an app",
  description:
    "A small server for the command of a service, which ten init writes for static sites. GET and HEAD, index.html, a 404.html where there is one, page for page.html, ranges and 304. Hidden files and links that lead out of the directory are not served, and directories are not listed.",
  examples: [
    ["ten static public --port {port}", "as a command in tenement.toml"],
    ["ten static dist --port 3000 --spa", "by hand; an app of one page"],
  ],
  args: {
    directory: word("What to serve", { hint: "DIR" }),
    port: number("Port to listen on; PORT unless given, 0 for any", { max: 65_535 }),
    host: withDefault(option("Address to listen on", { hint: "H" }), "127.0.0.1"),
    spa: flag("Pages that there are not get index.html, as apps of one page want it"),
  },
  async run({ args, out, env, signal }) {
    const root = resolve(args.directory);
    if (!statSync(root, { throwIfNoEntry: false })?.isDirectory())
      throw new Fault("not_found", `there is no directory ${quote(root)}`, "is the site built?");
    const port = args.port ?? Number(env.PORT ?? Number.NaN);
    if (!Number.isInteger(port))
      throw new Fault("usage", "--port is missing, and PORT is not set", "write --port {port}");
    if (port !== 0) probePort(args.host, port);
    const server = Bun.serve({
      hostname: args.host,
      port,
      idleTimeout: 120,
      development: false,
      fetch: createSite({ root, isOnePage: args.spa }),
      error: () => new Response("internal error\n", { status: 500 }),
    });
    out.data({ url: server.url.href, root }, () => `serving ${root} at ${server.url.href}\n`);
    await new Promise<void>((done) => signal.addEventListener("abort", () => done(), { once: true }));
    await server.stop();
    return 0;
  },
});
