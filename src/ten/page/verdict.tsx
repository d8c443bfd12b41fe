// Which version is worse, by how much, since when, and what to do: the first that is read of a service.
import { clockOf } from "../../api/page/time.ts";
import { formatSeconds } from "../../cli/format.ts";
import type { InstanceView, LastChange, ServiceRate } from "../api/shapes.ts";
import { reasonsText } from "../api/why-text.ts";
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
  const { text, trouble, since } = rate.comparison;
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
        {since !== null && <Since since={since} change={change} />}
        {own !== undefined && <span class="own">{own}</span>}
      </p>
      <div class="acts">
        {worst && (
          <button type="button" onClick={() => onOpen(worst.id)} aria-label={`Why of ${worst.id}`}>
            Why
          </button>
        )}
        {remedy && (
          <button type="button" class="primary" onClick={() => onAct(remedy.act)}>
            {remedy.word}
          </button>
        )}
      </div>
    </div>
  );
}

/** A number and its unit stay on one line. */
const BEFORE_UNIT = /(?<=\d) (?=(?:ms|s|min|h|%))/g;
/** A change that came so shortly before is named beside it. */
const NEAR_MS = 60_000;
/** A step of what was counted is so long: it may begin before the change. */
const STEP_MS = 10_000;

function Since({ since, change }: { readonly since: string; readonly change: LastChange | undefined }) {
  const changedMs = change ? Date.parse(change.at) : Number.NaN;
  const seenMs = Date.parse(since);
  const isNear = seenMs >= changedMs - STEP_MS && seenMs <= changedMs + NEAR_MS;
  const sinceMs = isNear ? Math.max(seenMs, changedMs) : seenMs;
  return (
    <span class="since">
      {" "}
      since <time dateTime={since}>{clockOf(sinceMs)}</time>, for{" "}
      {formatSeconds((Date.now() - sinceMs) / 1000)}
      {isNear && `, with ${change?.command}`}
    </span>
  );
}

/** What visitors got from the proxy itself, where that is a failure. */
function ownAnswersOf({ proxy_answers: answers }: ServiceRate): string | undefined {
  return answers.reasons.some(({ status }) => status >= 500) ? reasonsText(answers) : undefined;
}

function worstOf({ comparison }: ServiceRate, instances: readonly InstanceView[]): InstanceView | undefined {
  const meant = instances.filter(
    ({ version, share }) => share > 0 && (comparison.worse === null || version === comparison.worse),
  );
  const badness = (one: InstanceView) =>
    comparison.trouble === "slow" ? (one.p95_ms ?? 0) : one.error_percent;
  return meant.toSorted((a, b) => badness(b) - badness(a))[0];
}

/** Back to the older version, or on to the newer one; undefined where there is no other. */
function remedyOf({ service, comparison: { worse } }: ServiceRate, instances: readonly InstanceView[]) {
  const serving = instances.filter(({ share }) => share > 0);
  const newest = serving.toSorted((a, b) => b.deployed - a.deployed)[0];
  const hasOther = instances.some(({ version }) => version !== newest?.version);
  if (!newest || !hasOther) return undefined;
  if (worse === null || newest.version === worse)
    return { word: "Roll back…", act: { kind: "rollback", service } as const };
  const to = labelOf(newest.id);
  return { word: `Route to ${newest.version}…`, act: { kind: "route", service, id: to } as const };
}

/** Whether an instance has a part in what is wrong with its service. */
export function isDegraded(one: InstanceView, rate: ServiceRate | undefined): boolean {
  if (!rate || rate.comparison.trouble === null || one.share === 0) return false;
  return rate.comparison.worse === null || rate.comparison.worse === one.version;
}
