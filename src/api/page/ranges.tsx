// The time that a part of a page shows, chosen by a button; it stands in the address.
import type { Address } from "./address.ts";

interface RangesProps {
  readonly legend: string;
  /** What the address has, and what the button says. */
  readonly ranges: readonly (readonly [value: string, word: string, ...rest: unknown[]])[];
  readonly range: string;
  readonly address: Address;
  readonly class?: string;
}

export function Ranges({ legend, ranges, range, address, class: name = "ranges" }: RangesProps) {
  return (
    <fieldset class={name}>
      <legend class="hidden">{legend}</legend>
      {ranges.map(([value, word]) => (
        <button
          key={value}
          type="button"
          aria-pressed={range === value}
          onClick={() => address.go({ range: value })}
        >
          {word}
        </button>
      ))}
    </fieldset>
  );
}
