// A visitor by https who can name one host in the handshake and another in the request, and says what was seen.
import { connect, type PeerCertificate } from "node:tls";

export interface Asking {
  readonly port: number;
  /** In the handshake; undefined: none. */
  readonly name?: string | undefined;
  /** In the request; `name` unless given. */
  readonly host?: string;
  readonly path?: string;
  /** What the certificate has to be signed by; whatever it is unless given. */
  readonly ca?: string;
  readonly alpn?: readonly string[];
}

export interface Seen {
  readonly status: number;
  readonly head: string;
  readonly body: string;
  readonly certificate: PeerCertificate;
  readonly protocol: string | false | null;
}

/** One request on a connection of its own; rejects when the handshake is refused. */
export function askByTls({ port, name, host = name, path = "/", ca, alpn }: Asking): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: "127.0.0.1",
      port,
      ...(name !== undefined && { servername: name }),
      ...(ca === undefined ? { rejectUnauthorized: false } : { ca }),
      ...(alpn && { ALPNProtocols: [...alpn] }),
    });
    let text = "";
    let certificate: PeerCertificate;
    socket.on("secureConnect", () => {
      certificate = socket.getPeerCertificate();
      try {
        socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      } catch (thrown) {
        // Whoever refuses a handshake after its last message has reset it by now.
        reject(thrown);
      }
    });
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
    });
    socket.on("error", reject);
    socket.on("close", () => {
      const [, status = ""] = /^HTTP\/1\.1 (\d{3})/.exec(text) ?? [];
      if (status === "") return reject(new Error(`the connection ended without an answer: ${text}`));
      const [head = "", ...rest] = text.split("\r\n\r\n");
      resolve({
        status: Number(status),
        head,
        body: rest.join("\r\n\r\n"),
        certificate,
        protocol: socket.alpnProtocol,
      });
    });
  });
}
