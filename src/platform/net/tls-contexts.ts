// Contexts of TLS by name: made when they are first asked for, in bounds, and anew each day, as the keys of session tickets are theirs.
import { createSecureContext, type SecureContext } from "node:tls";
import { BoundedMap } from "../../core/bounded-map.ts";
import type { Clock } from "../time/clock.ts";

export interface TlsContextsOptions {
  /** Ciphers of TLS 1.2, as OpenSSL lists them. */
  readonly ciphers: string;
  readonly clock: Clock;
}

/** A chain and its key in PEM. */
interface Pair {
  readonly chain: string;
  readonly key: string;
}

interface Made {
  readonly context: SecureContext;
  readonly chain: string;
  readonly atMs: number;
}

/** A context takes 8 to 15 KB; beyond so many the oldest is made again when it is asked for. */
const KEPT = 10_000;
/** A ticket can be read by whoever has its key: one is not used longer. */
const LASTS_MS = 24 * 3_600_000;

export class TlsContexts {
  readonly #options: TlsContextsOptions;
  readonly #made = new BoundedMap<string, Made>(KEPT);
  /** The same by their certificates: all the names of one, as made-up names under a wildcard are, share one context. */
  readonly #byChain = new BoundedMap<string, Made>(KEPT);

  constructor(options: TlsContextsOptions) {
    this.#options = options;
  }

  /** The one that was made for this name, as long as it is in force. */
  known(name: string): SecureContext | undefined {
    const made = this.#made.get(name);
    return made !== undefined && this.#isFresh(made) ? made.context : undefined;
  }

  /** The context of a name with this certificate. Throws for a pair that cannot be served. */
  of(name: string, { chain, key }: Pair): SecureContext {
    const made = this.#made.get(name);
    if (made !== undefined && made.chain === chain && this.#isFresh(made)) return made.context;
    const shared = this.#byChain.get(chain);
    const now = shared !== undefined && this.#isFresh(shared) ? shared : this.#make(chain, key);
    this.#made.set(name, now);
    return now.context;
  }

  #make(chain: string, key: string): Made {
    const { ciphers, clock } = this.#options;
    const context = createSecureContext({ cert: chain, key, ciphers, minVersion: "TLSv1.2" });
    const made = { context, chain, atMs: clock.monotonic() };
    this.#byChain.set(chain, made);
    return made;
  }

  /** The certificate of a name, or any (undefined), is another one. */
  forget(name?: string): void {
    if (name !== undefined) this.#made.delete(name);
    else {
      this.#made.clear();
      this.#byChain.clear();
    }
  }

  #isFresh({ atMs }: Made): boolean {
    return this.#options.clock.monotonic() - atMs < LASTS_MS;
  }
}
