// Which version is worse, by how much, since when, and what to do: the first that is read of a service.
import { Since } from "../../api/page/since.tsx";
import { formatProxyAnswers, formatSeconds } from "../../cli/format.ts";
import type { InstanceView, LastChange, ServiceRate } from "../api/shapes.ts";
import { beginOf, type Remedy, remedyOf } from "../api/trouble.ts";
import type { Act } from "./act.ts";
import { labelOf } from "./plan.ts";

interface VerdictProps {
  readonly rate: ServiceRate;
  /** The last one of its traffic. */
  readonly change: LastChange | undefined;
  /** Of the service, all of them. */
  readonly instances: readonly InstanceView[];
  readonly mayRelease: boolean;
  readonly onAct: (act: Act) => void;
  readonly onOpen: (id: string) => void;
}

export function Verdict({ rate, change, instances, mayRelease, onAct, onOpen }: VerdictProps) {
  const { text, trouble } = rate.comparison;
  const begin = beginOf(rate.comparison, change);
  const own = ownAnswersOf(rate);
  if (trouble === null)
    return (
      <>
        {own !== undefined && <p class="verdict bad">{own}</p>}
        <p class="count">{text}</p>
      </>
    );
  const worst = worstOf(rate, instances);
  const remedy = mayRelease ? remedyOf(rate, instances) : undefined;
  return (
    <div class="verdict bad">
      <p>
        <strong>{text.replaceAll(BEFORE_UNIT, "\u00a0")}</strong>
        {begin && (
          <span class="since">
            {" "}
            <Since since={new Date(begin.sinceMs).toISOString()} format={formatSeconds} />
            {begin.change && `, with ${begin.change.command}`}
          </span>
        )}
        {own !== undefined && <span class="own">{own}</span>}
      </p>
      <div class="acts">
        {worst && (
          <button type="button" onClick={() => onOpen(worst.id)} aria-label={`Why of ${worst.id}`}>
            Why
          </button>
        )}
        {remedy && (
          <button type="button" class="primary" onClick={() => onAct(actOf(rate.service, remedy))}>
            {remedy.kind === "rollback" ? "Roll back…" : `Route to ${remedy.to.version}…`}
          </button>
        )}
      </div>
    </div>
  );
}

/** A number and its unit stay on one line. */
const BEFORE_UNIT = /(?<=\d) (?=(?:ms|s|min|h|%))/g;

function actOf(service: string, remedy: Remedy): Act {
  return remedy.kind === "rollback"
    ? { kind: "rollback", service }
    : { kind: "route", service, id: labelOf(remedy.to.id) };
}

/** What visitors got from the proxy itself, where that is a failure. */
function ownAnswersOf({ proxy_answers: answers }: ServiceRate): string | undefined {
  return answers.reasons.some(({ status }) => status >= 500) ? formatProxyAnswers(answers) : undefined;
}

function worstOf({ comparison }: ServiceRate, instances: readonly InstanceView[]): InstanceView | undefined {
  const meant = instances.filter(
    ({ version, share }) => share > 0 && (comparison.worse === null || version === comparison.worse),
  );
  const badness = (one: InstanceView) =>
    comparison.trouble === "slow" ? (one.p95_ms ?? 0) : one.error_percent;
  return meant.toSorted((a, b) => badness(b) - badness(a))[0];
}
