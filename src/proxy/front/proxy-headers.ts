// Whose a connection is, as the proxy says by whom it came: read before anything else, and only of peers whose word counts.
import { MOST_PROXY_HEADER_BYTES, readProxyHeader } from "../../core/proxy-protocol.ts";
import type { FirstBytes, Unread } from "../../platform/net/first-bytes.ts";
import { plain } from "./gate.ts";
import type { Notices } from "./notices.ts";

/** A connection that began with a header. What its visitor says of himself counts for nothing, whoever passes it on. */
export interface Proxied {
  /** The visitor's address; undefined where the proxy speaks for itself, or does not know. */
  readonly source: string | undefined;
}

export interface ProxyHeadersOptions {
  readonly firstBytes: FirstBytes;
  readonly notices: Notices;
  isTrusted(address: string): boolean;
}

/** What has just been accepted, with the address of its peer. */
type Accepted = Unread & { readonly remoteAddress: string };

const DEADLINE_MS = 10_000;

export class ProxyHeaders {
  readonly #options: ProxyHeadersOptions;

  constructor(options: ProxyHeadersOptions) {
    this.#options = options;
  }

  /**
   * Takes the header that a connection begins with, at once or when it has come: undefined when it has none. Ends the connection when
   * it is malformed, or does not come.
   */
  expect(socket: Accepted, then: (proxied: Proxied | undefined) => void): void {
    const { firstBytes, notices, isTrusted } = this.#options;
    const peer = plain(socket.remoteAddress ?? "");
    if (!isTrusted(peer)) {
      then(undefined);
      return;
    }
    firstBytes.expect(socket, {
      deadlineMs: DEADLINE_MS,
      look(bytes) {
        const header = readProxyHeader(bytes.subarray(0, MOST_PROXY_HEADER_BYTES));
        return bytes.length === 0 || header.kind === "incomplete" ? undefined : header;
      },
      found(header) {
        if (header.kind === "malformed") {
          notices.tell(
            "proxy header",
            `${peer} began a connection with a PROXY header that is none: it was closed`,
          );
          socket.terminate();
        } else if (header.kind === "header") {
          firstBytes.take(socket, header.length);
          then({ source: header.source });
        } else then(undefined);
      },
    });
  }

  forget(socket: Unread): void {
    this.#options.firstBytes.forget(socket);
  }
}
