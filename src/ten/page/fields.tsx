// The fields of the dialogs: a weight, and from where to where.
import { useId } from "preact/hooks";
import type { SplitView } from "../api/shapes.ts";
import type { Choice } from "./act.ts";
import { labelOf } from "./plan.ts";

interface WeightProps {
  readonly percent: number;
  readonly onChange: (percent: number) => void;
}

const STEPS = [0, 1, 10, 25, 50, 100];

export function WeightField({ percent, onChange }: WeightProps) {
  const id = useId();
  const read = (event: { currentTarget: HTMLInputElement }) => {
    const value = event.currentTarget.valueAsNumber;
    if (value >= 0 && value <= 100) onChange(Math.round(value * 100) / 100);
  };
  return (
    <fieldset class="weight">
      <label for={id}>Percent of the traffic</label>
      <div class="inputs">
        <input
          type="range"
          min="0"
          max="100"
          step="1"
          value={percent}
          onInput={read}
          aria-label="Percent of the traffic, slider"
        />
        <input id={id} type="number" min="0" max="100" step="0.01" value={percent} onInput={read} required />
      </div>
      <div class="steps">
        {STEPS.map((step) => (
          <button key={step} type="button" aria-pressed={percent === step} onClick={() => onChange(step)}>
            {step} %
          </button>
        ))}
      </div>
    </fieldset>
  );
}

interface RouteProps {
  readonly split: SplitView;
  readonly from: string | undefined;
  readonly to: string;
  readonly onChange: (part: Partial<Choice>) => void;
}

export function RouteFields({ split, from, to, onChange }: RouteProps) {
  const ids = split.map(({ id }) => labelOf(id));
  const [fromId, toId] = [useId(), useId()];
  return (
    <fieldset class="route">
      <label for={fromId}>From</label>
      <select
        id={fromId}
        value={from ?? ""}
        onChange={(event) => onChange({ from: event.currentTarget.value || undefined })}
      >
        <option value="">all the others</option>
        {ids.map((id) => (
          <option key={id} value={id} disabled={id === to}>
            {id}
          </option>
        ))}
      </select>
      <label for={toId}>To</label>
      <select id={toId} value={to} required onChange={(event) => onChange({ to: event.currentTarget.value })}>
        {to === "" && <option value="">choose one</option>}
        {split.map(({ id: name, state, share }) => {
          const id = labelOf(name);
          return (
            <option key={id} value={id} disabled={id === from}>
              {id} ({state}, {share} %)
            </option>
          );
        })}
      </select>
    </fieldset>
  );
}
