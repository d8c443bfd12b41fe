// Who is at the other end of a unix socket, as the kernel saw it connect (SO_PEERCRED).
import { FFIType, ptr } from "bun:ffi";
import { openLibc } from "../libc.ts";

export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** struct ucred: three 32-bit numbers. */
const UCRED_BYTES = 12;

/** Asks for the credentials of a connected socket's peer; undefined where the system cannot tell. Linux only. */
export function createPeerCredentials(): (descriptor: number) => PeerCredentials | undefined {
  const { i32, ptr: pointer } = FFIType;
  const libc =
    process.platform === "linux"
      ? openLibc({ getsockopt: { args: [i32, i32, i32, pointer, pointer], returns: i32 } })
      : undefined;
  if (!libc) return () => undefined;
  const credentials = new Int32Array(new ArrayBuffer(UCRED_BYTES));
  const length = new Uint32Array(new ArrayBuffer(4));
  return (descriptor) => {
    length[0] = UCRED_BYTES;
    const code = libc.getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, ptr(credentials), ptr(length));
    const [pid = 0, uid = 0, gid = 0] = credentials;
    return code === 0 ? { pid, uid, gid } : undefined;
  };
}

/** Who listens on a unix socket; undefined when nobody does, or where the system cannot tell. */
export async function listenerOf(path: string): Promise<PeerCredentials | undefined> {
  try {
    const socket = await Bun.connect({ unix: path, socket: { data() {} } });
    const found = createPeerCredentials()((socket as { readonly fd?: number }).fd ?? -1);
    socket.terminate();
    return found;
  } catch {
    return undefined;
  }
}
