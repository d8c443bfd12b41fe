// Whether servers take requests under the visitor's Host: one question to each at a time, asked where its row leaves it open.
import type { Server } from "./server.ts";

export interface HostProbesOptions {
  readonly find: (id: string) => Server | undefined;
  /** Whether the server takes requests under any Host; undefined when it does not say. In bounded time; never rejects. */
  readonly takesAnyHost: (server: Server) => Promise<boolean | undefined>;
  /** Called when a server was found to be other than it was taken for, with what it is now. */
  readonly onFound: (server: Server) => void;
}

export class HostProbes {
  readonly #options: HostProbesOptions;
  readonly #inFlight = new Map<string, Promise<void>>();

  constructor(options: HostProbesOptions) {
    this.#options = options;
  }

  /** Joins a probe of the same server that is in flight. */
  probe(id: string): Promise<void> {
    const server = this.#options.find(id);
    if (server === undefined || server.row.host !== "auto" || server.row.addressing === "host")
      return Promise.resolve();
    const probing = this.#inFlight.get(id) ?? this.#ask(server).finally(() => this.#inFlight.delete(id));
    this.#inFlight.set(id, probing);
    return probing;
  }

  async #ask(server: Server): Promise<void> {
    const keepsHost = await this.#options.takesAnyHost(server);
    const now = this.#options.find(server.id);
    // What answered may have got another address, or may be gone, meanwhile.
    if (keepsHost === undefined || now?.url !== server.url || now.keepsHost === keepsHost) return;
    this.#options.onFound({ ...now, keepsHost });
  }
}
