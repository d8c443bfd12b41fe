// PROXY headers of version 2, byte for byte.

const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");

/** `command` with the version in its upper half, `family` with the protocol in its lower one, and whatever follows. */
export function proxyHeader2(command: number, family: number, rest: readonly number[]): Buffer {
  return Buffer.from([...SIGNATURE, command, family, rest.length >> 8, rest.length & 255, ...rest]);
}
