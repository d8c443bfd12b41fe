// The receivers of webhooks: what waits for each, and what it answered last.

import { Failure } from "../../api/page/failure.tsx";
import { Name } from "../../api/page/name.tsx";
import { clockOf, momentOf } from "../../api/page/time.ts";
import { useAnswer } from "../../api/page/visible.ts";
import type { WebhookView } from "../../webhooks/operations.ts";
import type { SlumClient } from "../api/contract.ts";

interface WebhooksProps {
  readonly client: SlumClient;
  readonly mayAct: boolean;
  readonly onTest: (id: string) => void;
  /** What the last commands led to: after each the list is read again. */
  readonly change: number;
}

const EVERY_MS = 5_000;

export function Webhooks({ client, mayAct, onTest, change }: WebhooksProps) {
  const { answer, fault } = useAnswer((signal) => client.listWebhooks({}, { signal }), EVERY_MS, [change]);
  const webhooks = answer?.webhooks;
  return (
    <section class="service" aria-labelledby="webhooks">
      <header>
        <h2 id="webhooks">Webhooks</h2>
        {webhooks && <span class="count">{webhooks.length}</span>}
      </header>
      <Failure fault={fault} />
      {webhooks?.length === 0 && <p class="wait">nobody is told; add one: slum webhook add URL</p>}
      {webhooks && webhooks.length > 0 && (
        <ul class="outages receivers">
          {webhooks.map((one) => (
            <Receiver key={one.id} one={one} mayAct={mayAct} onTest={onTest} />
          ))}
        </ul>
      )}
    </section>
  );
}

interface ReceiverProps extends Pick<WebhooksProps, "mayAct" | "onTest"> {
  readonly one: WebhookView;
}

function Receiver({ one, mayAct, onTest }: ReceiverProps) {
  const isBad = one.disabled !== null || one.last_error !== null;
  return (
    <li class={isBad ? "bad" : ""}>
      <b>
        <Name text={one.id} />
      </b>{" "}
      <span class="count">
        <Name text={one.url} />
      </span>{" "}
      {one.types === null ? "all kinds" : one.types.join(", ")}
      {one.waiting > 0 && <span class="badge warn">{one.waiting} wait</span>}
      {one.disabled !== null && <span class="reason">not used any more: {one.disabled}</span>}
      {one.last_error !== null && <span class="reason">{one.last_error}</span>}
      <span class="version">
        {one.last_answer === null ? (
          "nothing was sent yet"
        ) : (
          <>
            {one.last_answer_at !== null && (
              <time dateTime={one.last_answer_at} title={momentOf(one.last_answer_at)}>
                {clockOf(one.last_answer_at)}
              </time>
            )}{" "}
            {one.last_answer}
          </>
        )}
      </span>
      {mayAct && (
        <button type="button" aria-label={`Test ${one.id}`} onClick={() => onTest(one.id)}>
          Test
        </button>
      )}
    </li>
  );
}
