// A visitor by https who can name one host in the handshake and another in the request, and says what was seen.
import { connect as connectByTcp } from "node:net";
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
  /** Of the visitor: any of this machine. */
  readonly from?: string;
  /** Before the handshake, in as many pieces. */
  readonly preface?: readonly Buffer[];
  /** More fields of the request, each line with its end. */
  readonly fields?: string;
}

export interface Seen {
  readonly status: number;
  readonly head: string;
  readonly body: string;
  readonly certificate: PeerCertificate;
  readonly protocol: string | false | null;
}

/** One request on a connection of its own; rejects when the handshake is refused. */
export async function askByTls(asking: Asking): Promise<Seen> {
  const { port, name, host = name, path = "/", ca, alpn, from, preface, fields = "" } = asking;
  const isOrdinary = from === undefined && preface === undefined;
  const prepared = isOrdinary ? undefined : await connected(port, from, preface ?? []);
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...(prepared === undefined ? { host: "127.0.0.1", port } : { socket: prepared }),
      ...(name !== undefined && { servername: name }),
      ...(ca === undefined ? { rejectUnauthorized: false } : { ca }),
      ...(alpn && { ALPNProtocols: [...alpn] }),
    });
    let text = "";
    let certificate: PeerCertificate;
    socket.on("secureConnect", () => {
      certificate = socket.getPeerCertificate();
      try {
        socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${fields}Connection: close\r\n\r\n`);
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

/** A connection on which something has been said already. */
export function connected(port: number, from: string | undefined, preface: readonly Buffer[]) {
  return new Promise<ReturnType<typeof connectByTcp>>((resolve, reject) => {
    const where = { host: "127.0.0.1", port, ...(from !== undefined && { localAddress: from }) };
    const socket = connectByTcp(where, async () => {
      socket.setNoDelay(true);
      for (const piece of preface) {
        socket.write(piece);
        if (preface.length > 1) await new Promise((turn) => setTimeout(turn, 1));
      }
      resolve(socket);
    });
    socket.on("error", reject);
  });
}
