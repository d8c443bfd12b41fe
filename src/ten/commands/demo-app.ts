// `ten demo-app`: the shop that `ten demo` releases, run by this executable so that a machine needs nothing else. Not in the help.
import { readNumber } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { Fault } from "../../core/fault.ts";
import { pageOf } from "../demo/shop.ts";

export default command({
  name: "demo-app",
  summary: "The small web app that the demo releases",
  description:
    "Listens on HOST and PORT and shows TEN_VERSION, as every instance gets them. For trying things out.",
  examples: [["PORT=3000 TEN_VERSION=v1 ten demo-app", "v1, at http://127.0.0.1:3000/"]],
  args: {},
  async run({ env, signal }) {
    if (env.PORT === undefined) throw new Fault("usage", "PORT is not set", "ten sets it; or: ten demo");
    const page = pageOf({
      version: env.TEN_VERSION ?? "v1",
      instance: env.TEN_INSTANCE ?? "hand",
      pid: process.pid,
    });
    const server = Bun.serve({
      hostname: env.HOST ?? "127.0.0.1",
      port: readNumber(env.PORT, "PORT", { max: 65_535 }),
      development: false,
      reusePort: false,
      fetch(request) {
        if (request.url.endsWith("/health")) return new Response("ok\n");
        return new Response(page, {
          headers: { "Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store" },
        });
      },
    });
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    await server.stop();
    return 0;
  },
});
