// The program `ten`: its commands by section, each loaded when it is asked for.
import { version } from "../../package.json";
import type { Program } from "../cli/command.ts";
import { otherCommands, otherFlags } from "./commands/other-words.ts";

export const ten: Program = {
  name: "ten",
  version,
  summary: "versioned processes behind a weighted reverse proxy, without containers",
  firstSteps: "Begin with ten init, then ten serve. ten slum --help is about a router for many such servers.",
  sections: {
    Releases: {
      deploy: () => import("./commands/deploy.ts"),
      route: () => import("./commands/route.ts"),
      weight: () => import("./commands/weight.ts"),
      releases: () => import("./commands/releases.ts"),
      rollback: () => import("./commands/rollback.ts"),
      rollout: () => import("./commands/rollout.ts"),
      hold: () => import("./commands/hold.ts"),
      promote: () => import("./commands/promote.ts"),
      abort: () => import("./commands/abort.ts"),
      history: () => import("./commands/history.ts"),
      link: () => import("./commands/link.ts"),
      maintenance: () => import("./commands/maintenance.ts"),
    },
    Instances: {
      ps: () => import("./commands/ps.ts"),
      top: () => import("./commands/top.ts"),
      why: () => import("./commands/why.ts"),
      logs: () => import("./commands/logs.ts"),
      events: () => import("./commands/events.ts"),
      health: () => import("./commands/health.ts"),
      spawn: () => import("./commands/spawn.ts"),
      stop: () => import("./commands/stop.ts"),
      restart: () => import("./commands/restart.ts"),
      rm: () => import("./commands/rm.ts"),
      prune: () => import("./commands/prune.ts"),
      chown: () => import("./commands/chown.ts"),
    },
    Server: {
      serve: () => import("./commands/serve.ts"),
      dashboard: () => import("./commands/dashboard.ts"),
      reload: () => import("./commands/reload.ts"),
      install: () => import("./commands/install.ts"),
      uninstall: () => import("./commands/uninstall.ts"),
      cert: () => import("./commands/cert.ts"),
      caddy: () => import("./commands/caddy.ts"),
      init: () => import("./commands/init.ts"),
      static: () => import("./commands/static.ts"),
      config: () => import("./commands/config.ts"),
      token: () => import("./commands/token.ts"),
      "token-gen": () => import("./commands/token-gen.ts"),
      login: () => import("./commands/login.ts"),
      demo: () => import("./commands/demo.ts"),
    },
    "This program": {
      help: () => import("../cli/help-command.ts"),
      completion: () => import("../cli/completion-command.ts"),
    },
  },
  beside: { slum: "A router for many such servers" },
  elsewhere: { commands: otherCommands, flags: otherFlags },
  names: () => import("./commands/completion-names.ts"),
  hidden: { "demo-app": () => import("./commands/demo-app.ts") },
  globals: {
    server: { hint: "URL", variable: "TENEMENT_SERVER", description: "Talk to a server over HTTP" },
    token: { hint: "TOKEN", variable: "TENEMENT_TOKEN", description: "The bearer token for it" },
    tokenFile: {
      hint: "FILE",
      variable: "TENEMENT_TOKEN_FILE",
      description: "A file with the token for it",
    },
    dataDir: {
      hint: "DIR",
      variable: "TENEMENT_DATA_DIR",
      description: "Where socket, registry and logs are",
    },
    config: {
      hint: "FILE",
      variable: "TENEMENT_CONFIG",
      description: "tenement.toml, if not here or in a parent",
    },
  },
};
