// The Connection field of either direction: what it says of the connection, and the fields that it takes away.
import { COLON, CR, isAt, optionsOf } from "./bytes.ts";

/** What a head has from its Connection field; written by `readConnection`. */
export interface ConnectionFacts {
  readonly bytes: Buffer;
  wantsClose: boolean;
  wantsKeepAlive: boolean;
  wantsUpgrade: boolean;
  /** Names of fields that it takes away, in lower case; undefined: none. */
  named: string[] | undefined;
}

/** Reads the value in `head.bytes[start, end)`; `kept` are the names, in lower case, that are not Connection's to take away. */
export function readConnection(
  head: ConnectionFacts,
  start: number,
  end: number,
  kept: ReadonlySet<string>,
): void {
  // Nearly all that say anything say this.
  if (end - start === 10 && isAt(head.bytes, start, "keep-alive")) {
    head.wantsKeepAlive = true;
    return;
  }
  for (const option of optionsOf(head.bytes.latin1Slice(start, end))) {
    if (option === "close") head.wantsClose = true;
    else if (option === "keep-alive") head.wantsKeepAlive = true;
    else if (option === "upgrade") head.wantsUpgrade = true;
    else if (!kept.has(option)) {
      head.named ??= [];
      head.named.push(option);
    }
  }
}

/** Takes the fields that Connection names out of `runs`, pairs of indices into `bytes`, in place (RFC 9110 section 7.6.1). */
export function dropNamed(bytes: Buffer, runs: number[], named: readonly string[]): void {
  const left: number[] = [];
  for (let i = 0; i < runs.length; i += 2) {
    const end = runs[i + 1] as number;
    for (let at = runs[i] as number; at < end; ) {
      const colon = bytes.indexOf(COLON, at);
      const next = bytes.indexOf(CR, colon) + 2;
      if (!named.includes(bytes.latin1Slice(at, colon).toLowerCase())) left.push(at, next);
      at = next;
    }
  }
  runs.length = 0;
  runs.push(...left);
}
