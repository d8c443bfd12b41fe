// A clock that is wrong told from a certificate that is: what an authority's answers say of ours.

/** Less is no trouble for certificates, which begin an hour before they are issued. */
const WRONG_MS = 600_000;
const HOUR_MS = 3_600_000;

/** A sentence when the clock of this machine is not that of the authority; undefined when it is, or nobody knows. */
export function clockText(
  other: { readonly host: string; readonly aheadMs: number } | undefined,
): string | undefined {
  if (other === undefined || Math.abs(other.aheadMs) < WRONG_MS) return undefined;
  const hours = Math.abs(other.aheadMs) / HOUR_MS;
  const much =
    hours >= 48
      ? `${Math.round(hours / 24)} days`
      : hours >= 2
        ? `${Math.round(hours)} hours`
        : `${Math.round(hours * 60)} minutes`;
  const where = other.aheadMs > 0 ? "behind" : "ahead of";
  return `the clock of this machine is ${much} ${where} that of ${other.host}: set it (timedatectl)`;
}
