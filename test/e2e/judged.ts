// A service whose versions behave as judged rollouts and copies want it: good ones, and ones that fail in a way of their own.
import { join } from "node:path";

const APP = join(import.meta.dir, "../support/apps/judged.ts");

/** The configuration of `api`, with more keys of it and of [settings]. */
export function judgedToml(more = "", settings = ""): string {
  return `
[settings]
${settings}
health_check_interval = 1

[service.api]
command = ${JSON.stringify(process.execPath)}
args = [${JSON.stringify(APP)}]
health = "/health"
drain_timeout = 2
stop_grace_period_secs = 2
startup_timeout = 15
${more}
`;
}
