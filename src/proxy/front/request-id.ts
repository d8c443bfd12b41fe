// Ids for requests that bring none: a random part of this process, and a count.

/** A UUID's last group. */
const COUNT_DIGITS = 12;

/** In the form of UUIDs, unlike any other's, also of other processes; not a secret. A random one for each request would cost 0.6 us. */
export function createRequestIds(): () => string {
  const ours = crypto.randomUUID().slice(0, -COUNT_DIGITS);
  let count = 0;
  return () => {
    count += 1;
    return ours + count.toString(16).padStart(COUNT_DIGITS, "0");
  };
}
