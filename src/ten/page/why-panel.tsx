// What is wrong with an instance, as `ten why` says it: the cause first, then what it goes by.

import { By } from "../../api/page/by.tsx";
import { CommandLine } from "../../api/page/copy.tsx";
import { clockOf } from "../../api/page/time.ts";
import { useAnswer } from "../../api/page/visible.ts";
import { formatBytes, formatProxyAnswers } from "../../cli/format.ts";
import type { TenClient } from "../api/contract.ts";
import type { WhyView } from "../api/shapes.ts";
import { differsText, listeningText, meansWell, scarceDisk } from "../api/why-text.ts";

interface WhyProps {
  readonly client: TenClient;
  /** `api:v2` */
  readonly instance: string;
}

const EVERY_MS = 5_000;

export function Why({ client, instance }: WhyProps) {
  const { answer: why } = useAnswer((signal) => client.why({ params: { instance } }, { signal }), EVERY_MS, [
    instance,
  ]);
  if (!why) return null;
  const isWell = meansWell(why);
  return (
    <section class={isWell ? "why" : "why bad"} aria-label="Why it is as it is">
      <p class="cause">{why.cause.text}</p>
      {why.cause.evidence !== null && <pre>{why.cause.evidence}</pre>}
      {!isWell && <p class="hint">{why.cause.hint}</p>}
      <details open={!isWell}>
        <summary>What it goes by</summary>
        <dl class="goes-by">
          {factsOf(why).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
        <Happened title="What it went through" events={why.states} />
        <Happened title="Changed in the last hour" events={why.changes} />
        <p class="try">
          {why.commands.map((line) => (
            <CommandLine key={line} line={line} />
          ))}
        </p>
      </details>
    </section>
  );
}

function factsOf(why: WhyView): [string, string][] {
  const { port, memory_limit_bytes: limit, memory_bytes: memory } = why;
  const all: [string, string | null][] = [
    ["Last check", why.last_check],
    ["Answers", why.answer && `${why.answer.status} ${why.answer.body}`],
    ...why.certificates.map(({ text }): [string, string] => ["https", text]),
    ["Port", port === null ? null : `${port}${listeningText(why)}`],
    ["Memory", memory === null || limit === null ? null : `${formatBytes(memory)} of ${formatBytes(limit)}`],
    ["Disk free", scarceDisk(why)],
    ["Visitors", formatProxyAnswers(why.proxy_answers) ?? null],
    ["Differs", differsText(why)],
    ["tenement.toml has changed", why.differs_from_file.length > 0 ? why.differs_from_file.join(", ") : null],
  ];
  return all.filter((one): one is [string, string] => one[1] !== null);
}

function Happened({ title, events }: { readonly title: string; readonly events: WhyView["states"] }) {
  if (events.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <ul>
        {events.toReversed().map(({ at, kind, id, text, by }, place) => (
          <li key={place}>
            <time dateTime={at}>{clockOf(at)}</time> {id !== null && `${id} `}
            <b>{kind}</b> {text}
            <By by={by} />
          </li>
        ))}
      </ul>
    </>
  );
}
