// HTTP/2 by hand: a client that sends frames as a test says and shows what comes back (RFC 9113).
import { connect, type TLSSocket } from "node:tls";

export const TYPE = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
} as const;
export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD_BYTES = 9;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** Each a literal without indexing (RFC 7541 section 6.2.2), so that nothing has to be remembered. */
export function block(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(
    fields.map(([name, value]) => Buffer.concat([Buffer.from([0]), text(name), text(value)])),
  );
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

export interface Talk {
  readonly socket: TLSSocket;
  readonly frames: readonly Frame[];
  readonly isClosed: boolean;
  send(...frames: readonly Buffer[]): void;
  /** The first frame that is meant, once it has come; undefined when the connection ends without. */
  first(isMeant: (frame: Frame) => boolean): Promise<Frame | undefined>;
  /** How a connection ends: the code of its GOAWAY, or `closed` without one. */
  end(): Promise<number | "closed">;
}

/** A connection with its preface and settings sent, unless `preface` is something else. */
export function talk(port: number, name: string, preface: string | Buffer = PREFACE): Promise<Talk> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: "127.0.0.1",
      port,
      servername: name,
      rejectUnauthorized: false,
      ALPNProtocols: ["h2"],
    });
    const frames: Frame[] = [];
    let bytes = Buffer.alloc(0);
    let isClosed = false;
    let wake = Promise.withResolvers<void>();
    const stir = () => {
      wake.resolve();
      wake = Promise.withResolvers();
    };
    socket.on("data", (more: Buffer) => {
      bytes = Buffer.concat([bytes, more]);
      while (bytes.length >= HEAD_BYTES) {
        const end = HEAD_BYTES + bytes.readUIntBE(0, 3);
        if (bytes.length < end) break;
        const [type = 0, flags = 0] = bytes.subarray(3, 5);
        const payload = Buffer.from(bytes.subarray(HEAD_BYTES, end));
        frames.push({ type, flags, stream: bytes.readUInt32BE(5) & 0x7fffffff, payload });
        bytes = bytes.subarray(end);
      }
      stir();
    });
    socket.on("close", () => {
      isClosed = true;
      stir();
    });
    socket.on("error", (error) => {
      isClosed = true;
      stir();
      reject(error);
    });
    const first = async (isMeant: (frame: Frame) => boolean): Promise<Frame | undefined> => {
      for (;;) {
        const found = frames.find(isMeant);
        if (found !== undefined || isClosed) return found;
        await wake.promise;
      }
    };
    const talking: Talk = {
      socket,
      frames,
      get isClosed() {
        return isClosed;
      },
      send(...sent) {
        if (!isClosed) socket.write(Buffer.concat(sent));
      },
      first,
      async end() {
        const away = await first(({ type }) => type === TYPE.goaway);
        return away === undefined ? "closed" : away.payload.readUInt32BE(4);
      },
    };
    socket.on("secureConnect", () => {
      socket.write(preface);
      if (preface === PREFACE) socket.write(frame(TYPE.settings, 0, 0));
      resolve(talking);
    });
  });
}
