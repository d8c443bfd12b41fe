// What `why` of both programs says of a host: whether visitors come to it by https, and what keeps them from it.
import type { Output } from "./output.ts";

interface Report {
  readonly name: string;
  readonly cause: string;
  readonly text: string;
  readonly hint: string;
  readonly addresses: readonly string[];
  readonly answers: "us" | "another" | "nobody" | null;
  readonly served: {
    readonly issuer: string;
    readonly days_left: number;
    readonly is_ours: boolean;
  } | null;
  readonly certificate: {
    readonly issuer: string | null;
    readonly days_left: number | null;
    readonly renew_at: string | null;
    readonly next_try_at: string | null;
    readonly last_failure: { readonly at: string; readonly reason: string } | null;
  } | null;
}

/** The whole of it as a screen. */
export function hostPage(out: Pick<Output, "paint">, report: Report): string {
  const { paint } = out;
  const isWell = report.cause === "well";
  return `${[
    `${paint("bold", report.name)}: ${paint(isWell ? "green" : "red", report.text)}`,
    `  ${paint("dim", "what to do:")} ${report.hint}`,
    "",
    ...hostFacts(report).map(([name, value]) => `${paint("dim", name.padEnd(13))}${value}`),
  ].join("\n")}\n`;
}

const ANSWERS = { us: "this server", another: "another server", nobody: "nobody, as seen from here" };

/** What it goes by. */
export function hostFacts({ addresses, answers, served, certificate }: Report): [string, string][] {
  const {
    issuer,
    days_left: days,
    renew_at: renewal,
    next_try_at: next,
    last_failure: failure,
  } = certificate ?? {};
  const all: [string, string | undefined][] = [
    ["leads to", addresses.length > 0 ? addresses.join(", ") : "no address"],
    ["port 80", answers === null ? undefined : ANSWERS[answers]],
    [
      "certificate",
      issuer == null
        ? "none"
        : `by ${issuer}, ${Math.floor(days ?? 0)} days left${renewal == null ? "" : `, renewed ${renewal}`}`,
    ],
    [
      "served there",
      served === null || served.is_ours
        ? undefined
        : `another one, by ${served.issuer}, ${Math.floor(served.days_left)} days left`,
    ],
    ["last failure", failure == null ? undefined : `${failure.at}: ${failure.reason}`],
    ["next try", next ?? undefined],
  ];
  return all.filter((pair): pair is [string, string] => pair[1] !== undefined);
}
