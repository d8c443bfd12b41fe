// What every command prints with --json: the list that docs/json.md shows, and that test/e2e/json.test.ts holds the programs to.
import { z } from "zod";
import { contract as slum } from "./src/slum/api/contract.ts";
import { contract as ten } from "./src/ten/api/contract.ts";
import {
  changeAnswer,
  checkAnswer,
  event,
  instanceAnswer,
  rolloutAnswer,
  shadowOfService,
  whyAnswer,
} from "./src/ten/api/shapes.ts";

const text = z.string();
const texts = z.array(text);
const number = z.number();
const anything = z.unknown();

const { shape: listed } = ten.listInstances.answer;
const token = { ...ten.createToken.answer.shape };

const shipped = z.object({
  digest: text,
  bytes: number,
  entries: number,
  bytes_sent: number,
  survey_secs: number,
  upload_secs: number,
  setup_secs: number,
});

/** Commands that both programs have, each from one place. */
const SHARED = {
  serve: z.object({ url: text, https: text.nullable(), socket: text, admin: text.nullable(), pid: number }),
  dashboard: z.object({ url: text, expires_secs: number }),
  backup: z.object({ file: text, bytes: number }),
  restore: z.object({ database: text, before: text.nullable() }),
  "install --print": z.object({ unit: text, path: text, text, environment: texts }),
  install: z.object({
    unit: text,
    path: text,
    changed: z.boolean(),
    changes: texts,
    started: z.boolean(),
    user: text,
    data_dir: text,
  }),
  uninstall: z.object({ unit: text, path: text, removed: z.boolean(), data_dir: text.nullable() }),
  caddy: z.object({
    domain: text,
    upstream: text,
    hosts: texts,
    file: text.nullable(),
    written: z.boolean(),
    caddyfile: text,
  }),
  "cert list": ten.listCertificates.answer,
  "cert add": ten.addCertificate.answer,
  "cert renew": ten.renewCertificate.answer,
  "cert revoke": ten.revokeCertificate.answer,
  "webhook add": ten.addWebhook.answer,
  "webhook list": ten.listWebhooks.answer,
  "webhook test": z.object({ results: z.array(ten.testWebhook.answer) }),
  "webhook rotate": ten.rotateWebhook.answer,
  "token create": z.object(token),
  "token list": ten.listTokens.answer,
  "token rotate": ten.rotateToken.answer,
  "token revoke": ten.revokeToken.answer,
  login: z.object({ server: text, ...ten.whoAmI.answer.shape, file: text }),
  help: z.object({ help: text }),
  completion: z.object({ shell: text, script: text }),
  licenses: z.object({
    notices: z.array(z.object({ name: text, version: text, license: text, text })),
  }),
} satisfies Record<string, z.ZodType>;

export const TEN_ANSWERS: Readonly<Record<string, z.ZodType>> = {
  deploy: z.object({ ...ten.deploy.answer.shape, shipped: shipped.optional() }),
  "deploy --canary --dry-run": ten.planRollout.answer,
  route: changeAnswer,
  "weight SERVICE": ten.split.answer,
  "weight SERVICE:ID N": changeAnswer,
  releases: ten.releases.answer,
  rollback: changeAnswer,
  rollout: rolloutAnswer,
  "shadow SERVICE": shadowOfService.shape.shadow.unwrap(),
  "shadow SERVICE --to V": ten.beginShadow.answer,
  "shadow SERVICE off": ten.endShadow.answer,
  hold: ten.holdRollout.answer,
  promote: ten.promoteRollout.answer,
  abort: ten.abortRollout.answer,
  history: ten.history.answer,
  link: ten.link.answer,
  "link --revoke": ten.revokeLinks.answer,
  "maintenance SERVICE": ten.maintenance.answer.pick({ service: true, maintenance: true }),
  "maintenance SERVICE on": ten.maintenance.answer,
  ps: z.object(listed),
  top: z.object({
    instances: listed.instances,
    services: listed.services,
    traffic: z.array(ten.traffic.answer),
  }),
  why: z.object({
    instances: number,
    services: number,
    wrong: z.array(whyAnswer),
    more: number,
    proxy_answers: z.array(z.object({ service: text, ...whyAnswer.shape.proxy_answers.shape })),
    certificates: texts,
  }),
  "why SERVICE[:ID]": whyAnswer,
  "why HOST": ten.lookAtName.answer,
  logs: ten.logs.answer,
  "logs -f": ten.followLogs.answer,
  access: ten.access.answer,
  "access -f": ten.followAccess.answer,
  events: ten.events.answer,
  "events -f": ten.followEvents.answer,
  "health SERVICE:ID": checkAnswer,
  "health SERVICE": z.object({ instances: z.array(checkAnswer) }),
  spawn: changeAnswer,
  "stop SERVICE:ID": changeAnswer,
  "stop SERVICE --all": changeAnswer,
  "stop SERVICE SERVICE --all": z.object({ changes: z.array(changeAnswer) }),
  "restart SERVICE:ID": instanceAnswer,
  "restart SERVICE": z.object({ instances: z.array(instanceAnswer) }),
  rm: ten.removeAll.answer,
  prune: ten.prune.answer,
  chown: ten.chown.answer,
  reload: ten.reload.answer,
  "webhook remove": ten.deleteWebhook.answer,
  "cert rm": ten.removeCertificate.answer,
  init: z.object({
    service: text,
    command: text,
    services: z.array(
      z.object({ name: text, what: text, command: text, args: texts, workdir: text, notes: texts }),
    ),
    config: text,
    files: texts,
    changed: texts,
  }),
  static: z.object({ url: text, root: text }),
  config: z.object({
    config: text,
    warnings: texts,
    settings: z.record(text, anything),
    service: z.record(text, z.record(text, anything)),
    instances: z.record(text, texts),
    routing: z.record(text, anything),
    acme: anything.optional(),
  }),
  "token-gen": z.object({ token: text, tenant: text.nullable(), name: text }),
  demo: z.object({ ok: z.boolean(), duration_ms: number, kept: text.nullable() }).loose(),
  ...SHARED,
};

export const SLUM_ANSWERS: Readonly<Record<string, z.ZodType>> = {
  "server add": slum.addServer.answer,
  "server list": slum.listServers.answer,
  "server set": slum.changeServer.answer,
  "server check": slum.checkServer.answer,
  "server drain": slum.drainServer.answer,
  "server undrain": slum.drainServer.answer,
  "server delete": slum.deleteServer.answer,
  "tenant add": slum.addTenant.answer,
  "tenant list": slum.listTenants.answer.pick({ tenants: true }),
  "tenant move": slum.moveTenant.answer,
  "tenant delete": slum.deleteTenant.answer,
  route: slum.route.answer,
  ps: slum.status.answer,
  top: slum.status.answer,
  why: z.object({
    servers: number,
    tenants: number,
    wrong: z.array(slum.why.answer),
    more: number,
    troubles: texts,
  }),
  "why DOMAIN|SERVER": slum.why.answer,
  events: slum.events.answer,
  "events -f": slum.followEvents.answer,
  "export FILE": z.object({
    file: text,
    servers: number,
    tenants: number,
    webhooks: number,
    tokens: number,
  }),
  import: slum.importRegistry.answer,
  "webhook delete": slum.deleteWebhook.answer,
  "cert rm": slum.removeCertificate.answer,
  "token-gen": z.object({ token: text, name: text }),
  ...SHARED,
};

/** The shapes that come in several answers. */
export const JSON_SHAPES: Readonly<Record<string, z.ZodType>> = {
  Rollout: rolloutAnswer,
  Why: whyAnswer,
  Check: checkAnswer,
  Event: event,
  SlumWhy: slum.why.answer,
};
