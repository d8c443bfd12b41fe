// How much two shares of errors may differ by what has been counted: when a sample is large enough to go on.

/** Answers, and errors among them. */
export type Sample = readonly [answers: number, errors: number];

/** One-sided 95 %. */
const Z = 1.645;

export function shareOfErrors([answers, errors]: Sample): number {
  return answers === 0 ? 0 : errors / answers;
}

/** The limits that the true share is above and below with 95 % each, or at `z` standard deviations (Wilson 1927). */
export function wilson([answers, errors]: Sample, z = Z): readonly [lower: number, upper: number] {
  if (answers === 0) return [0, 1];
  const share = errors / answers;
  const scale = 1 + z ** 2 / answers;
  const middle = share + z ** 2 / (2 * answers);
  const half = z * Math.sqrt((share * (1 - share)) / answers + (z / (2 * answers)) ** 2);
  return [Math.max(0, (middle - half) / scale), Math.min(1, (middle + half) / scale)];
}

/** The most that the canary's share of errors is above the stable's, with 95 % (Newcombe 1998, method 10). */
export function upperDifference(canary: Sample, stable: Sample): number {
  const [p, q] = [shareOfErrors(canary), shareOfErrors(stable)];
  return p - q + Math.hypot(wilson(canary)[1] - p, q - wilson(stable)[0]);
}

/** How many answers without any error rule out that `notice` of them are errors. */
export function cleanAnswers(notice: number): number {
  return Math.ceil((Z ** 2 * (1 - notice)) / notice);
}
