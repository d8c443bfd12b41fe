// The program `slum`: its commands by section, each loaded when it is asked for.
import { version } from "../../package.json";
import type { Program } from "../cli/command.ts";
import { otherCommands, otherFlags } from "./commands/other-words.ts";

export const slum: Program = {
  name: "slum",
  version,
  summary: "a registry and router for the URLs of many tenements",
  firstSteps: "Begin with slum serve, then slum server add and slum tenant add.",
  sections: {
    "Run it": {
      serve: () => import("./commands/serve.ts"),
      dashboard: () => import("./commands/dashboard.ts"),
      ps: () => import("./commands/ps.ts"),
      top: () => import("./commands/top.ts"),
      why: () => import("./commands/why.ts"),
      route: () => import("./commands/route.ts"),
      events: () => import("./commands/events.ts"),
      install: () => import("./commands/install.ts"),
      uninstall: () => import("./commands/uninstall.ts"),
      cert: () => import("./commands/cert.ts"),
      caddy: () => import("./commands/caddy.ts"),
    },
    "What it knows": {
      server: () => import("./commands/server.ts"),
      tenant: () => import("./commands/tenant.ts"),
      webhook: () => import("./commands/webhook.ts"),
    },
    "Move and keep": {
      export: () => import("./commands/export.ts"),
      import: () => import("./commands/import.ts"),
      backup: () => import("./commands/backup.ts"),
      restore: () => import("./commands/restore.ts"),
    },
    Access: {
      token: () => import("./commands/token.ts"),
      "token-gen": () => import("./commands/token-gen.ts"),
      login: () => import("./commands/login.ts"),
    },
    "This program": {
      help: () => import("../cli/help-command.ts"),
      completion: () => import("../cli/completion-command.ts"),
      licenses: () => import("../cli/licenses-command.ts"),
    },
  },
  elsewhere: { commands: otherCommands, flags: otherFlags },
  names: () => import("./commands/completion-names.ts"),
  globals: {
    server: { hint: "URL", variable: "SLUM_SERVER", description: "Talk to a slum over HTTP" },
    token: { hint: "TOKEN", variable: "SLUM_TOKEN", description: "The bearer token for it" },
    tokenFile: { hint: "FILE", variable: "SLUM_TOKEN_FILE", description: "A file with the token for it" },
    dataDir: { hint: "DIR", variable: "SLUM_DATA_DIR", description: "Where socket, registry and tokens are" },
  },
};
