// Ids for requests that bring none: a random part, and one of the numbers of a block in a random order.

const LOW_DIGITS = 3;
const LOW_COUNT = 16 ** LOW_DIGITS;
/** The last digits, each made once: writing a number costs a third of all that is done for a request's fields. */
const LOW = Array.from({ length: LOW_COUNT }, (_, count) => count.toString(16).padStart(LOW_DIGITS, "0"));

/**
 * In the form of UUIDs, unlike any other's, also of other processes; not a secret. Two of them do not tell how many requests
 * came between. A random one for each request would cost 0.6 us.
 */
export function createRequestIds(): () => string {
  const low = LOW.slice();
  let left = 0;
  let begin = "";
  return () => {
    if (left === 0) {
      begin = crypto.randomUUID().slice(0, -LOW_DIGITS);
      shuffle(low);
      left = LOW_COUNT;
    }
    left -= 1;
    return begin + low[left];
  };
}

/** Every order as likely as any other, up to the bias of a remainder. */
function shuffle(items: string[]): void {
  const random = crypto.getRandomValues(new Uint32Array(items.length));
  for (let at = items.length - 1; at > 0; at -= 1) {
    const other = (random[at] ?? 0) % (at + 1);
    [items[at], items[other]] = [items[other] ?? "", items[at] ?? ""];
  }
}
