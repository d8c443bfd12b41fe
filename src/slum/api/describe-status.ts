// What is wrong in a fleet, in words.
import type { Answer } from "../../api/operation.ts";
import { formatProxyAnswers } from "../../cli/format.ts";
import type { SlumContract } from "./contract.ts";
import type { OwnAnswersView } from "./shapes.ts";

/** What `slum ps` shows. */
export type SlumStatus = Answer<SlumContract["status"]>;

const NAMES_SHOWN = 5;

export function describeStatus({
  registry,
  unroutable,
  unroutable_total: total,
  webhooks,
  certificates,
  proxy_answers: own,
}: SlumStatus): string[] {
  const names = unroutable.slice(0, NAMES_SHOWN).join(", ");
  return [
    ...(registry.ok ? [] : [`the registry cannot be used, routing goes on without it: ${registry.trouble}`]),
    ...(total > 0 ? [`${total} without a server: ${names}${total > NAMES_SHOWN ? ", ..." : ""}`] : []),
    ...(webhooks.waiting > 0 ? [`${webhooks.waiting} webhook messages wait for their receivers`] : []),
    ...certificates,
    ...errorsText(own),
  ];
}

/** What visitors got from slum itself that its operator ought to know: not what strangers asked for that is not served. */
function errorsText(own: OwnAnswersView): string[] {
  const errors = own.reasons.filter(({ status }) => status >= 500 || status === TOO_MANY);
  const lately = errors.reduce((sum, { last_minute: count }) => sum + count, 0);
  const windows = own.windows.map((one) => (one.window_secs === 60 ? { ...one, count: lately } : one));
  const text = formatProxyAnswers({ ...own, reasons: errors, windows }, "slum");
  return text === undefined ? [] : [text];
}

const TOO_MANY = 429;
