// The first message of a TLS handshake, made to order, and what is answered to it before anything is encrypted.
import { randomBytes } from "node:crypto";
import { connect } from "node:net";

export interface Hello {
  /** As it stands in the message, whatever it is; undefined: no such extension. */
  readonly name?: string | undefined;
  readonly protocols?: readonly string[];
  /** TLS 1.3 unless given: 0x0303 is 1.2, 0x0302 is 1.1. */
  readonly version?: number;
  /** By their numbers; those of TLS 1.3 and ECDHE with GCM unless given. */
  readonly ciphers?: readonly number[];
}

const u8 = (value: number) => [value & 255];
const u16 = (value: number) => [(value >> 8) & 255, value & 255];
const u24 = (value: number) => [(value >> 16) & 255, ...u16(value)];
const sized = (size: (value: number) => number[], bytes: readonly number[]) => [
  ...size(bytes.length),
  ...bytes,
];
const extension = (kind: number, bytes: readonly number[]) => [...u16(kind), ...sized(u16, bytes)];
const latin1 = (text: string) => [...Buffer.from(text, "latin1")];
const TLS_1_3 = 0x0304;
const X25519 = 0x001d;
const P256 = 0x0017;

/** One record with the whole message (RFC 8446 section 4.1.2). */
export function clientHello({ name, protocols, version = TLS_1_3, ciphers }: Hello): Buffer {
  const isNew = version === TLS_1_3;
  const suites = ciphers ?? [...(isNew ? [0x1301, 0x1302, 0x1303] : []), 0xc02b, 0xc02f, 0xc02c, 0xc030];
  const extensions = [
    ...(name === undefined ? [] : extension(0, sized(u16, [0, ...sized(u16, latin1(name))]))),
    ...extension(10, sized(u16, [...u16(X25519), ...u16(P256)])),
    ...extension(11, sized(u8, [0])),
    ...extension(13, sized(u16, [0x0403, 0x0804, 0x0401, 0x0503].flatMap(u16))),
    ...(protocols === undefined
      ? []
      : extension(
          16,
          sized(
            u16,
            protocols.flatMap((each) => sized(u8, latin1(each))),
          ),
        )),
    ...(isNew ? extension(43, sized(u8, u16(version))) : []),
    ...(isNew ? extension(51, sized(u16, [...u16(X25519), ...sized(u16, [...randomBytes(32)])])) : []),
  ];
  const body = [
    ...u16(Math.min(version, 0x0303)),
    ...randomBytes(32),
    ...sized(u8, [...randomBytes(32)]),
    ...sized(u16, suites.flatMap(u16)),
    ...sized(u8, [0]),
    ...sized(u16, extensions),
  ];
  const message = [1, ...sized(u24, body)];
  return Buffer.from([22, ...u16(0x0301), ...sized(u16, message)]);
}

/** `hello`: the handshake goes on; `alert N`; `closed` without a word; or the text of what is no TLS. */
export function answerTo(port: number, pieces: readonly Buffer[]): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, "127.0.0.1", async () => {
      socket.setNoDelay(true);
      for (const piece of pieces) {
        if (socket.destroyed) return;
        socket.write(piece);
        if (pieces.length > 1) await new Promise((turn) => setTimeout(turn, 1));
      }
    });
    const settle = () => {
      socket.destroy();
      const bytes = Buffer.concat(chunks);
      if (bytes.length === 0) resolve("closed");
      else if (bytes[0] === 21) resolve(`alert ${bytes[6]}`);
      else resolve(bytes[0] === 22 ? "hello" : bytes.toString("latin1"));
    };
    socket.on("data", (bytes: Buffer) => {
      chunks.push(bytes);
      // The first record says how it goes on; what is no TLS is read to its end.
      if (bytes[0] === 21 || bytes[0] === 22) settle();
    });
    socket.on("close", settle);
    socket.on("error", settle);
  });
}
