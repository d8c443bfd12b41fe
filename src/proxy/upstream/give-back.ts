// Memory of large pieces of bodies, given back as soon as they have been sent on: a collector would let tens of MB pile up first.

/** Below this the call costs more than it is worth. */
export const LARGE_BYTES = 16_384;

/** Empties the piece. Nobody may need it, or another view of its memory, any more. */
export function giveBack(piece: Uint8Array): void {
  if (piece.byteLength >= LARGE_BYTES) (piece.buffer as ArrayBuffer).transfer(0);
}
