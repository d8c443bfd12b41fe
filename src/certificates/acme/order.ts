// One order at one authority (RFC 8555 section 7.4): placed, its names proved, its certificate fetched; and taken up again where it was left.
import type { KeyObject } from "node:crypto";
import { isIpAddress } from "../../core/ip-address.ts";
import { type Clock, sleep } from "../../platform/time/clock.ts";
import { base64url, certificateRequest } from "../requests.ts";
import { fetchChain } from "./chain.ts";
import type { AcmeClient, Answer } from "./client.ts";
import { thumbprint } from "./client.ts";
import { AcmeProblem, problemFacts } from "./problem.ts";

export type ChallengeKind = "http-01" | "tls-alpn-01" | "dns-01";

/** Puts answers to challenges in their place. */
export interface Prover {
  /** The kinds that can be answered for a name, the best first. */
  kinds(name: string): readonly ChallengeKind[];
  /** Resolves when the answer is in place, with what takes it away again. Does it twice without harm. */
  prove(kind: ChallengeKind, name: string, keyAuthorization: string): Promise<() => Promise<void>>;
}

export interface OrderWish {
  readonly names: readonly string[];
  readonly profile: string | undefined;
  /** The renewal id of the certificate that this one replaces. */
  readonly replaces: string | undefined;
}

interface Challenge {
  readonly type: string;
  readonly url: string;
  readonly token: string;
  readonly error?: unknown;
}

const DONE_WITHIN_MS = 180_000;
const POLL_LEAST_MS = 250;
const POLL_USUAL_MS = 1_000;
const POLL_MOST_MS = 15_000;
const TOKEN = /^[\w-]{1,256}$/;

/** Places an order; resolves with its URL, which is all that is needed to take it up again. */
export async function placeOrder(
  client: AcmeClient,
  { names, profile, replaces }: OrderWish,
): Promise<string> {
  const { newOrder, profiles } = await client.directory();
  if (profile !== undefined && !profiles.includes(profile)) {
    const known = profiles.length > 0 ? `it has ${profiles.join(", ")}` : "it has none";
    throw client.problem({ type: "invalidProfile", detail: `there is no profile ${profile}: ${known}` });
  }
  const identifiers = names.map((value) => ({ type: isIpAddress(value) ? "ip" : "dns", value }));
  const order = { identifiers, ...(profile !== undefined && { profile }) };
  const { headers } = await client
    .post(newOrder, { ...order, ...(replaces !== undefined && { replaces }) })
    .catch((thrown) => {
      // Replaced already, by an order whose answer never came (RFC 9773 section 5): the certificate is wanted all the same.
      if (
        replaces === undefined ||
        !(thrown instanceof AcmeProblem) ||
        thrown.status === undefined ||
        thrown.status >= 500
      )
        throw thrown;
      return client.post(newOrder, order);
    });
  const url = headers.get("location");
  if (url === null) throw client.problem({ type: "garbage", detail: "an order without a URL" });
  return url;
}

/** Goes on with an order from whatever state it is in; resolves with the chain in PEM, the preferred one where it is offered. */
export async function completeOrder(
  client: AcmeClient,
  url: string,
  { names, preferredChain }: Pick<OrderWish, "names"> & { readonly preferredChain: string | undefined },
  keys: { readonly account: KeyObject; readonly certificate: KeyObject },
  prover: Prover,
  clock: Clock,
): Promise<string> {
  const fetchOrder = () => client.post(url);
  let answer = await fetchOrder();
  let order = fieldsOf(answer);
  if (order.status === "pending") {
    const authorizations = Array.isArray(order.authorizations) ? order.authorizations : [];
    for (const one of authorizations) await authorize(client, String(one), keys.account, prover, clock);
    answer = await poll(client, clock, fetchOrder, ({ status }) => status !== "pending");
    order = fieldsOf(answer);
  }
  if (order.status === "ready") {
    const csr = base64url(certificateRequest(keys.certificate, names));
    answer = await client.post(String(order.finalize), { csr });
    order = fieldsOf(answer);
  }
  if (order.status !== "valid" && order.status !== "invalid") {
    answer = await poll(
      client,
      clock,
      fetchOrder,
      ({ status }) => status === "valid" || status === "invalid",
    );
    order = fieldsOf(answer);
  }
  if (order.status !== "valid" || typeof order.certificate !== "string")
    throw client.problem(
      order.error === undefined ? staleOrder(order) : problemFacts(order.error, 0, undefined),
    );
  return fetchChain(client, order.certificate, preferredChain);
}

function staleOrder({ status }: Fields) {
  return { type: "orderLost", detail: `the order is ${String(status)} and cannot be gone on with` };
}

/** Proves one name, unless the authority still knows that it is proved. */
async function authorize(
  client: AcmeClient,
  url: string,
  account: KeyObject,
  prover: Prover,
  clock: Clock,
): Promise<void> {
  const authorization = fieldsOf(await client.post(url));
  if (authorization.status === "valid") return;
  const name = (authorization.identifier as { value?: string } | undefined)?.value ?? "";
  const { challenge, kind } = chooseChallenge(client, authorization, prover, name);
  const clear = await prover.prove(kind, name, `${challenge.token}.${thumbprint(account)}`);
  try {
    await client.post(challenge.url, {});
    const answer = await poll(
      client,
      clock,
      () => client.post(url),
      ({ status }) => status !== "pending" && status !== "processing",
    );
    const proved = fieldsOf(answer);
    if (proved.status === "valid") return;
    const failed = challengesOf(proved).find(({ error }) => error !== undefined)?.error;
    throw client.problem(
      failed === undefined
        ? { type: "unauthorized", detail: `${name} is ${String(proved.status)}` }
        : problemFacts(failed, 0, undefined),
    );
  } finally {
    await clear().catch(() => {});
  }
}

function chooseChallenge(client: AcmeClient, authorization: Fields, prover: Prover, name: string) {
  const offered = challengesOf(authorization);
  const wanted = authorization.wildcard === true ? prover.kinds(`*.${name}`) : prover.kinds(name);
  for (const kind of wanted) {
    const challenge = offered.find(({ type, token }) => type === kind && TOKEN.test(token));
    if (challenge) return { challenge, kind };
  }
  const all = offered.map(({ type }) => type).join(", ") || "nothing";
  throw client.problem({
    type: "noChallenge",
    detail: `${name} can be proved by ${all}, and by us with ${wanted.join(", ") || "nothing"}`,
  });
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf({ body }: Answer): Fields {
  return typeof body === "object" && body !== null ? (body as Fields) : {};
}

function challengesOf({ challenges }: Fields): Challenge[] {
  if (!Array.isArray(challenges)) return [];
  return challenges.filter((one) => typeof one?.url === "string" && typeof one.type === "string");
}

/** Asks until it is done, as often as the authority likes. */
async function poll(
  client: AcmeClient,
  clock: Clock,
  ask: () => Promise<Answer>,
  isDone: (fields: Fields) => boolean,
): Promise<Answer> {
  const end = clock.monotonic() + DONE_WITHIN_MS;
  for (;;) {
    const answer = await ask();
    if (isDone(fieldsOf(answer))) return answer;
    if (clock.monotonic() > end)
      throw client.problem({ type: "slow", detail: `no result within ${DONE_WITHIN_MS / 1000} s` });
    const wished = client.retryAfter(answer) ?? POLL_USUAL_MS;
    await sleep(clock, Math.min(POLL_MOST_MS, Math.max(POLL_LEAST_MS, wished)));
  }
}
