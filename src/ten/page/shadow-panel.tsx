// Copies of a service's requests: in what a version without traffic answers otherwise, by kind of path.

import { useState } from "preact/hooks";
import { useAnswer } from "../../api/page/visible.ts";
import type { PanelProps } from "./rollout-panel.tsx";

const EVERY_MS = 2_000;
/** Kinds of paths that are shown: the command tells all. */
const SHOWN = 5;

export function ShadowPanel({ client, service, mayRelease, onDone, onFault }: PanelProps) {
  const [isBusy, setBusy] = useState(false);
  const params = { service };
  const { answer } = useAnswer((signal) => client.shadow({ params }, { signal }), EVERY_MS, [service]);
  const shadow = answer?.shadow;
  if (!shadow || shadow.ended_at !== null) return null;
  const { to, from, sample, text } = shadow;
  const differing = shadow.patterns.filter((one) => one.differing > 0).slice(0, SHOWN);
  const end = async () => {
    setBusy(true);
    const undo = `ten shadow ${service} --to ${to} --sample ${sample}%`;
    await client
      .endShadow({ params })
      .then((done) => onDone({ message: done.message, undo: done.changed ? undo : null }), onFault);
    setBusy(false);
  };
  return (
    <section class="rollout" aria-label={`Copies of requests for ${service} to ${to}`}>
      <header>
        <b>
          {sample} % copied to {to} and {from}
        </b>
        <span class="count">no visitor waits for them</span>
      </header>
      <p>{text}</p>
      {differing.length > 0 && (
        <ul class="differing">
          {differing.map(({ pattern, copies, differing: count, differences }) => (
            <li key={pattern}>
              <code>{pattern}</code> {count} of {copies}: {differences[0]?.difference}
            </li>
          ))}
        </ul>
      )}
      {mayRelease && shadow.rollout === null && (
        <div class="acts">
          <button type="button" disabled={isBusy} onClick={end}>
            Stop copying
          </button>
        </div>
      )}
    </section>
  );
}
