// What other tools call things: what to write here.
import type { Elsewhere } from "../../cli/command.ts";

export const otherCommands: Elsewhere = {
  list: "slum ps, slum server list, slum tenant list",
  ls: "slum ps, slum server list, slum tenant list",
  status: "slum ps",
  servers: "slum server list",
  tenants: "slum tenant list",
  domains: "slum tenant list",
  webhooks: "slum webhook list",
  add: "slum server add ID URL, or slum tenant add ID DOMAIN SERVER SERVICE",
  drain: "slum server drain {rest}",
  undrain: "slum server undrain {rest}",
  check: "slum server check {rest}",
  health: "slum server check {rest}",
  move: "slum tenant move {rest}",
  delete: "slum server delete ID, or slum tenant delete ID",
  remove: "slum server delete ID, or slum tenant delete ID",
  rm: "slum server delete ID, or slum tenant delete ID",
  start: "slum serve",
  run: "slum serve",
  up: "slum serve",
  migrate: "slum import --from FILE, or slum export and slum import",
  dump: "slum export",
  logs: "slum events -f; what the server says is on its stderr: journalctl -u slum",
  deploy: "that is a tenement's: ten deploy SERVICE --version V",
  tls: "TLS is in front: slum caddy",
  ssl: "TLS is in front: slum caddy",
  update: "install.sh again, then systemctl restart slum",
  upgrade: "install.sh again, then systemctl restart slum",
};

export const otherFlags: Elsewhere = {
  "-d": "slum install makes it a service of the machine; else: slum serve &",
  "--daemon": "slum install makes it a service of the machine; else: slum serve &",
  "--detach": "slum install makes it a service of the machine; else: slum serve &",
  "-p": "--port N",
  "--format": "--json",
  "-o": "--json",
  "--output": "--json",
  "-v": "slum --version, alone",
  "-V": "slum --version, alone",
  "-q": "2>/dev/null leaves the data alone",
  "--quiet": "2>/dev/null leaves the data alone",
};

/** Of the groups `server`, `tenant` and `webhook`. */
export function inGroup(group: "server" | "tenant" | "webhook"): Elsewhere {
  const line = (command: string) => `slum ${group} ${command} {rest}`;
  return {
    rm: line("delete"),
    remove: line("delete"),
    del: line("delete"),
    ls: line("list"),
    show: `${line("list")} --json`,
    get: `${line("list")} --json`,
    info: `${line("list")} --json`,
    create: line("add"),
    new: line("add"),
    register: line("add"),
    ...(group === "server" && { update: line("set"), edit: line("set"), health: line("check") }),
    ...(group === "tenant" && { update: line("move"), assign: line("move"), set: line("move") }),
  };
}
