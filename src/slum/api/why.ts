// What is wrong with a server, or with a tenant's way to one: its name in DNS, its certificate, what it answered, and what follows.
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { connect, type PeerCertificate } from "node:tls";
import type { z } from "zod";
import type { CertificateDesk } from "../../api/certificate-operations.ts";
import { formatReasons } from "../../cli/format.ts";
import { Fault, messageOf } from "../../core/fault.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Control } from "../operations/control.ts";
import { answersOfServer, answersOfTenant, type OwnHistory } from "./own-answers.ts";
import type { OwnAnswersView, ServerView, whyAnswer } from "./shapes.ts";
import type { View } from "./view.ts";

type WhyView = z.infer<typeof whyAnswer>;
type Looked = WhyView["servers"][number];

export interface WhyParts {
  readonly control: Control;
  readonly view: View;
  readonly clock: Clock;
  /** Undefined where https is not served. */
  readonly certificates: CertificateDesk | undefined;
  readonly history: OwnHistory;
}

const LOOK_MS = 3_000;
const DAY_MS = 86_400_000;
/** A certificate that ends sooner is said. */
const SOON_DAYS = 14;
/** Of a tenant's servers, the first so many are looked at. */
const LOOKED_AT = 5;
const EVENTS = 10;

/** `subject` is a server's id or a tenant's domain. */
export async function whyOf(parts: WhyParts, subject: string): Promise<WhyView> {
  const { control, view } = parts;
  const byId = new Map(view.servers().map((one) => [one.id, one]));
  const server = byId.get(subject);
  if (server) return ofServer(parts, server);
  const tenant = control.routes.tenant(subject);
  if (!tenant)
    throw new Fault(
      "not_found",
      `${subject} is neither a server nor a tenant's domain`,
      "see slum server list and slum tenant list",
    );
  const route = view.route(subject, tenant);
  const asked = route.candidates.slice(0, LOOKED_AT).flatMap(({ server: id }) => byId.get(id) ?? []);
  const [https, ...servers] = await Promise.all([
    parts.certificates?.report(subject),
    ...asked.map((one) => lookAt(parts, one)),
  ]);
  const home = servers.find(({ id }) => id === tenant.row.server);
  const own = answersOfTenant(parts.history, tenant.row.id);
  const ofRoute = causeOfRoute(route, home);
  // Where there is a way for requests, visitors may still not come as far as to us, or get no answer of it.
  const isWell = ofRoute.cause === "well";
  const cause =
    isWell && https && https.cause !== "well"
      ? https
      : ((isWell ? causeOfAnswers(own) : undefined) ?? ofRoute);
  return {
    subject,
    kind: "domain",
    cause: cause.cause,
    text: cause.text,
    hint: cause.hint,
    route,
    servers,
    proxy_answers: own,
    https: https === undefined ? null : { ...https, addresses: [...https.addresses] },
    events: await eventsOf(parts, { tenant: route.tenant }),
  };
}

async function ofServer(parts: WhyParts, server: ServerView): Promise<WhyView> {
  const looked = await lookAt(parts, server);
  const own = answersOfServer(parts.history, server.id);
  const hint = looked.cause === "well" ? "slum server check asks it again" : hintOf(looked);
  const cause = (looked.cause === "well" ? causeOfAnswers(own) : undefined) ?? {
    cause: looked.cause,
    text: looked.text,
    hint,
  };
  return {
    subject: server.id,
    kind: "server",
    ...cause,
    route: null,
    servers: [looked],
    proxy_answers: own,
    https: null,
    events: await eventsOf(parts, { server: server.id }),
  };
}

function causeOfRoute(
  { routable, server, reason }: NonNullable<WhyView["route"]>,
  home: Looked | undefined,
): Pick<WhyView, "cause" | "text" | "hint"> {
  if (!routable)
    return {
      cause: home?.cause ?? "unroutable",
      text: `visitors get 503: none of its servers is online${home ? `; ${home.text}` : ""}`,
      hint: home ? hintOf(home) : "slum tenant move gives it another home",
    };
  if (home && home.cause !== "well")
    return { cause: home.cause, text: `${server} serves it, as ${home.text}`, hint: hintOf(home) };
  return { cause: "well", text: `${server} serves it: ${reason}`, hint: "slum route says the same in short" };
}

/** Of what passes its checks, and where visitors got errors of ours in its place all the same; undefined: in the last minute none did. */
function causeOfAnswers({
  reasons,
  windows,
}: OwnAnswersView): Pick<WhyView, "cause" | "text" | "hint"> | undefined {
  const late = reasons
    .filter(({ status, last_minute: count }) => status >= 500 && count > 0)
    .map(({ last_minute: count, ...one }) => ({ ...one, count }))
    .toSorted((a, b) => b.count - a.count);
  const [first] = late;
  if (first === undefined) return undefined;
  const errors = late.reduce((sum, { count }) => sum + count, 0);
  const of = windows.find(({ window_secs: secs }) => secs === 60)?.requests ?? null;
  const what = `${errors}${of === null ? "" : ` of ${of}`} ${(of ?? errors) === 1 ? "request" : "requests"}`;
  return {
    cause: first.reason,
    text: `slum itself answered ${what} in the last minute with an error: ${formatReasons(late)}`,
    hint: hintFor(first),
  };
}

function hintFor({ reason, server }: Pick<OwnAnswersView["reasons"][number], "reason" | "server">): string {
  const there = server === null ? "its servers" : server;
  const hints: Readonly<Record<string, string>> = {
    bad_gateway: `${there} broke off or gave no valid answer; on that machine: ten why, ten access --status 5xx`,
    timeout: `${there} does not answer in time; on that machine: ten why, ten access --slow 1s`,
    busy: `${there} has no room for more requests: another server, or fewer tenants there`,
    nothing_routable: `no server took them: slum ps, slum server check ${server ?? "ID"}`,
    loop: `the URL of ${there} leads back to a slum: slum server set ${server ?? "ID"} --url`,
    internal: "slum itself failed: its log says how",
  };
  return hints[reason] ?? `slum server check ${server ?? "ID"} asks it now`;
}

/** What can be seen of a server from here, now. */
async function lookAt({ clock }: WhyParts, server: ServerView): Promise<Looked> {
  const url = new URL(server.url);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const dns = await addressesOf(host);
  const isTls = url.protocol === "https:" && dns.error === null;
  const tls = isTls ? await certificateOf(host, Number(url.port || 443), clock) : null;
  const facts = { id: server.id, url: server.url, status: server.status, drained: server.drained };
  const seen = {
    ...facts,
    since: server.since,
    last_check: server.last_check,
    last_error: server.last_error,
    last_error_at: server.last_error_at,
    latency_ms: server.latency_ms,
    dns,
    tls,
  };
  return { ...seen, ...causeOf(seen) };
}

function causeOf(seen: Omit<Looked, "cause" | "text">): Pick<Looked, "cause" | "text"> {
  const { id, dns, tls, status, drained, last_check: check, last_error: error } = seen;
  const said = check ?? error ?? "";
  if (drained) return { cause: "drained", text: `${id} is drained` };
  if (dns.error !== null) return { cause: "dns", text: `the name of ${id} cannot be found: ${dns.error}` };
  // One that is online is trusted, perhaps by roots of one's own.
  if (tls?.error && status !== "online")
    return { cause: "tls", text: `the certificate of ${id} is not trusted: ${tls.error}` };
  if (status === "offline" && /TLS|certificate/i.test(said))
    return { cause: "tls", text: `${id} is offline: ${said}` };
  if (status === "offline" && /timed out/.test(said))
    return { cause: "hang", text: `${id} is offline, it does not answer: ${said}` };
  if (status === "offline" && /refused/.test(said))
    return { cause: "refused", text: `${id} is offline, nothing listens there: ${said}` };
  if (status === "offline")
    return { cause: "offline", text: `${id} is offline: ${said || "its checks fail"}` };
  if (tls && tls.days_left !== null && tls.days_left < SOON_DAYS)
    return { cause: "certificate_ends", text: `the certificate of ${id} ends in ${tls.days_left} days` };
  return { cause: "well", text: `nothing is wrong with ${id}, as far as can be seen from here` };
}

function hintOf({ cause, id, url }: Pick<Looked, "cause" | "id" | "url">): string {
  const { hostname, port } = new URL(url);
  const hints: Readonly<Record<string, string>> = {
    drained: `slum server undrain ${id} sends it requests again`,
    dns: `check the name: getent hosts ${hostname}; slum server set ${id} --url changes it`,
    tls: `look at its certificate: openssl s_client -connect ${hostname}:${port || 443}`,
    hang: `on that machine: ten ps, ten why; a firewall that drops looks the same`,
    refused: `on that machine: is ten serve running, and on that port? systemctl status ten`,
    offline: `slum server check ${id} asks it now; on that machine: ten ps`,
    certificate_ends: `renew it on that machine`,
  };
  return hints[cause] ?? `slum server check ${id} asks it now`;
}

async function addressesOf(host: string): Promise<Looked["dns"]> {
  try {
    const found = await lookup(host, { all: true });
    return { addresses: found.map(({ address }) => address), error: null };
  } catch (thrown) {
    return { addresses: [], error: (thrown as NodeJS.ErrnoException).code ?? messageOf(thrown) };
  }
}

/** Of a server that speaks TLS: who has signed it, how long it is good, and whether it is for that name. */
function certificateOf(host: string, port: number, clock: Clock): Promise<Looked["tls"]> {
  return new Promise((resolve) => {
    const none = { days_left: null, issuer: null };
    const socket = connect(
      { host, port, servername: isIP(host) === 0 ? host : "", rejectUnauthorized: false },
      () => {
        const { authorizationError: error } = socket;
        const shown = shownCertificate(socket.getPeerCertificate(), clock);
        finish({ ...shown, error: error ? String(error) : null });
      },
    );
    const finish = (found: NonNullable<Looked["tls"]>) => {
      cancel();
      socket.destroy();
      resolve(found);
    };
    const cancel = clock.after(LOOK_MS, () =>
      finish({ ...none, error: `no handshake within ${LOOK_MS / 1000} s` }),
    );
    socket.on("error", (thrown) => finish({ ...none, error: messageOf(thrown) }));
  });
}

function shownCertificate({ valid_to: until, issuer }: PeerCertificate, clock: Clock) {
  const end = Date.parse(until ?? "");
  const name = issuer?.O ?? issuer?.CN;
  return {
    days_left: Number.isNaN(end) ? null : Math.floor((end - clock.now()) / DAY_MS),
    issuer: typeof name === "string" ? name : null,
  };
}

async function eventsOf({ control, view }: WhyParts, about: { server?: string; tenant?: string }) {
  const rows = await control.registry.events({ ...about, limit: EVENTS } as Parameters<
    Control["registry"]["events"]
  >[0]);
  return rows.map(view.event);
}
