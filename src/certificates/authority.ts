// Certificate authorities in their order: one account key for all, orders that outlive a crash, and the next one when one cannot.
import { createPrivateKey, type KeyObject } from "node:crypto";
import type { AuthorityOptions } from "../core/certificate-authority.ts";
import type { RenewalWindow } from "../core/certificate-schedule.ts";
import type { Clock } from "../platform/time/clock.ts";
import { AcmeClient, thumbprint } from "./acme/client.ts";
import { completeOrder, type OrderWish, type Prover, placeOrder } from "./acme/order.ts";
import { AcmeProblem } from "./acme/problem.ts";
import { fromPem } from "./der.ts";
import { Holds, type NotNow } from "./holds.ts";
import { base64url, keyPem, newKey, renewalId } from "./requests.ts";
import type { CertificateStore } from "./store/store.ts";

export interface AuthoritiesOptions {
  /** The first is asked first. */
  readonly authorities: readonly AuthorityOptions[];
  readonly email: string | undefined;
  readonly profile: string | undefined;
  /** The common name of the root that chains are to lead to, where an authority offers several. */
  readonly preferredChain: string | undefined;
  readonly roots: string | undefined;
  readonly userAgent: string;
  readonly store: CertificateStore;
  readonly prover: Prover;
  readonly clock: Clock;
}

/** What came of an order. */
export interface Issued {
  readonly chain: string;
  readonly key: string;
  /** The directory's URL. */
  readonly authority: string;
}

export interface IssueWish {
  /** What the certificate is for: a host name, a wildcard, an address. */
  readonly name: string;
  /** The one that it replaces, and who has issued it. */
  readonly replaces?: { readonly chain: string; readonly authority: string } | undefined;
  /** Also of an authority that is to be left alone. */
  readonly isForced?: boolean | undefined;
  /** Called before an order is placed that was not placed already; what it throws ends the attempt. */
  beforeOrder(authority: string): Promise<void>;
}

export interface Authorities {
  /** Opens the account key, making it where there is none; what answers HTTP-01 is known afterwards. */
  open(): Promise<{ readonly thumbprint: string }>;
  /**
   * Takes up the order that is stored for the name, or places one. What came of it can be had again until `settle`.
   * Rejects with an AcmeProblem, with a NotNow while all are to be left alone, or with what went wrong here.
   */
  issue(wish: IssueWish): Promise<Issued>;
  /** The certificate of the name is kept: its order is done with. */
  settle(name: string): Promise<void>;
  /** When the authority would like it renewed, and when to ask again; undefined where it does not say. */
  renewalInfo(
    chain: string,
    authority: string,
  ): Promise<{ readonly window: RenewalWindow; readonly askAgainMs: number } | undefined>;
  /** Until when none of them is to be asked for anything; undefined when one may be. */
  heldUntil(): number | undefined;
  /** The authority that was spoken to last, and how far its clock is ahead of ours; undefined while none has said the time. */
  clock(): { readonly host: string; readonly aheadMs: number } | undefined;
  /** Rejects where the authority does not take it back. `reason` as in RFC 5280 section 5.3.1. */
  revoke(chain: string, authority: string, reason: number): Promise<void>;
}

/** An order under way: all that a later start needs. */
interface StoredOrder {
  readonly authority: string;
  readonly url: string;
  readonly key: string;
}

const ACCOUNT_KEY = "key";
/** How often renewal information is asked for where the authority does not say (RFC 9773 section 4.3.3). */
const ASK_AGAIN_MS = 6 * 3_600_000;
const ASK_MOST_MS = 24 * 3_600_000;

export function createAuthorities(options: AuthoritiesOptions): Authorities {
  const { store, clock, prover, email, profile, preferredChain } = options;
  const clients = new Map<string, Promise<AcmeClient>>();
  const holds = new Holds(store, clock);
  const urls = options.authorities.map(({ url }) => url);
  let spokenTo: AcmeClient | undefined;
  let opening: Promise<KeyObject> | undefined;

  /** One key for all authorities, so that one answer serves the challenges of each. */
  async function openKey(): Promise<KeyObject> {
    const stored = await store.get("account", ACCOUNT_KEY);
    if (stored !== undefined) return createPrivateKey(stored);
    if (!(await store.lease(ACCOUNT_KEY, 60_000))) return createPrivateKey(await othersKey());
    const key = newKey();
    const meanwhile = await store.get("account", ACCOUNT_KEY);
    if (meanwhile !== undefined) return createPrivateKey(meanwhile);
    await store.put("account", ACCOUNT_KEY, keyPem(key));
    await store.release(ACCOUNT_KEY);
    return key;
  }

  async function othersKey(): Promise<string> {
    const stored = await store.get("account", ACCOUNT_KEY);
    if (stored === undefined)
      throw new Error("another program makes the account key: it will be there at the next try");
    return stored;
  }

  function accountKey(): Promise<KeyObject> {
    opening ??= openKey().catch((thrown) => {
      opening = undefined;
      throw thrown;
    });
    return opening;
  }

  /** The client of one authority with its account; made once, and anew after a failure. */
  function clientOf(url: string): Promise<AcmeClient> {
    const known = clients.get(url);
    if (known) return known;
    const made = openClient(url).catch((thrown) => {
      clients.delete(url);
      throw thrown;
    });
    clients.set(url, made);
    return made;
  }

  async function openClient(url: string): Promise<AcmeClient> {
    const { userAgent, roots } = options;
    const client = new AcmeClient({ url, key: await accountKey(), clock, userAgent, roots });
    spokenTo = client;
    const stored = await store.get("account", url);
    if (stored !== undefined) client.kid = stored;
    else await register(client, url);
    return client;
  }

  async function register(client: AcmeClient, url: string): Promise<void> {
    const binding = options.authorities.find((one) => one.url === url)?.binding;
    await store.put("account", url, await client.register(email, binding));
  }

  /** What asks with the account; an authority that has forgotten it is told of it anew, once. */
  async function withAccount<T>(url: string, work: (client: AcmeClient) => Promise<T>): Promise<T> {
    const client = await clientOf(url);
    spokenTo = client;
    try {
      return await work(client);
    } catch (thrown) {
      if (!(thrown instanceof AcmeProblem) || thrown.type !== "accountDoesNotExist") throw thrown;
      await register(client, url);
      return work(client);
    }
  }

  async function placed(url: string, wish: IssueWish): Promise<StoredOrder> {
    const { name, replaces } = wish;
    const order: OrderWish = {
      names: [name],
      profile,
      replaces: replaces?.authority === url ? await replacedId(url, replaces.chain) : undefined,
    };
    await wish.beforeOrder(url);
    const made = {
      authority: url,
      url: await withAccount(url, (client) => placeOrder(client, order)),
      key: keyPem(newKey()),
    };
    await store.put("order", name, JSON.stringify(made));
    return made;
  }

  async function replacedId(url: string, chain: string): Promise<string | undefined> {
    const { renewalInfo } = await (await clientOf(url)).directory();
    return renewalInfo === undefined ? undefined : renewalId(chain);
  }

  async function complete(order: StoredOrder, name: string): Promise<Issued> {
    const certificate = createPrivateKey(order.key);
    const account = await accountKey();
    const chain = await withAccount(order.authority, (client) =>
      completeOrder(
        client,
        order.url,
        { names: [name], preferredChain },
        { account, certificate },
        prover,
        clock,
      ),
    );
    return { chain, key: order.key, authority: order.authority };
  }

  /** What an order that was under way when a program died, or an authority went silent, leads to now. */
  async function resumed(name: string): Promise<Issued | undefined> {
    const text = await store.get("order", name);
    if (text === undefined) return undefined;
    const order = JSON.parse(text) as StoredOrder;
    const isKnown = urls.includes(order.authority) && holds.of(order.authority) === undefined;
    return isKnown ? complete(order, name).catch(() => undefined) : undefined;
  }

  async function issueAt(url: string, wish: IssueWish): Promise<Issued> {
    const order = await placed(url, wish);
    try {
      const issued = await complete(order, wish.name);
      await holds.answered(url);
      return issued;
    } catch (thrown) {
      // What failed for good is not taken up again; what the way to them has cut is.
      if (thrown instanceof AcmeProblem && !thrown.isTheirs) await store.delete("order", wish.name);
      throw thrown;
    }
  }

  async function windowAt(url: string, chain: string) {
    const client = await clientOf(url);
    const { renewalInfo } = await client.directory();
    const id = renewalId(chain);
    if (renewalInfo === undefined || id === undefined) return undefined;
    const answer = await client.get(`${renewalInfo.replace(/\/$/, "")}/${id}`);
    const { start, end } = windowOf(answer?.body);
    if (answer === undefined || !(start <= end)) return undefined;
    const askAgainMs = Math.min(ASK_MOST_MS, client.retryAfter(answer) ?? ASK_AGAIN_MS);
    return { window: { start, end }, askAgainMs };
  }

  return {
    async open() {
      await holds.open(urls);
      return { thumbprint: thumbprint(await accountKey()) };
    },
    heldUntil() {
      const ends = urls.map((url) => holds.of(url)?.until);
      return ends.includes(undefined) ? undefined : Math.min(...(ends as number[]));
    },
    clock() {
      const { authority: host, clockAheadMs: aheadMs } = spokenTo ?? {};
      return host === undefined || aheadMs === undefined ? undefined : { host, aheadMs };
    },
    async issue(wish) {
      const before = await resumed(wish.name);
      if (before) return before;
      const open = wish.isForced ? urls : urls.filter((url) => holds.of(url) === undefined);
      if (open.length === 0) throw soonestEnd(urls.flatMap((url) => holds.of(url) ?? []));
      let failure: unknown;
      for (const url of open) {
        try {
          return await issueAt(url, wish);
        } catch (thrown) {
          failure = combined(failure, thrown);
          if (!(thrown instanceof AcmeProblem)) break;
          await holds.failed(url, wish.name, thrown);
          if (!thrown.isTheirs) break;
        }
      }
      throw failure;
    },
    settle: (name) => store.delete("order", name),
    async renewalInfo(chain, authority) {
      if (!urls.includes(authority) || holds.of(authority) !== undefined) return undefined;
      try {
        return await windowAt(authority, chain);
      } catch (thrown) {
        if (thrown instanceof AcmeProblem) await holds.failed(authority, "", thrown);
        throw thrown;
      }
    },
    async revoke(chain, authority, reason) {
      const der = fromPem(chain, "CERTIFICATE");
      if (der === undefined) throw new Error("no certificate");
      await withAccount(authority, async (client) => {
        const { revokeCert } = await client.directory();
        if (revokeCert === undefined)
          throw client.problem({ type: "garbage", detail: "it takes no certificate back" });
        await client.post(revokeCert, { certificate: base64url(der), reason });
      });
    },
  };
}

function soonestEnd(holds: readonly NotNow[]): unknown {
  return holds.toSorted((a, b) => a.until - b.until)[0] ?? new Error("no authority is to be asked");
}

/** The first failure counts, with what others said after it. */
function combined(before: unknown, thrown: unknown): unknown {
  if (!(before instanceof AcmeProblem) || !(thrown instanceof Error)) return before ?? thrown;
  before.message = `${before.message}; then ${thrown.message}`;
  return before;
}

function windowOf(body: unknown): RenewalWindow {
  const { start, end } = ((body as { suggestedWindow?: unknown } | undefined)?.suggestedWindow ??
    {}) as Record<string, unknown>;
  return { start: Date.parse(String(start)), end: Date.parse(String(end)) };
}
