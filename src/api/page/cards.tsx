// A table that becomes a card a row on a phone. Roles are said there, because that layout takes the elements' own away.
import type { ComponentChildren } from "preact";

interface CardsProps {
  /** The headings of what names a row and of its state. */
  readonly words: readonly [name: string, state: string];
  readonly numbers: readonly string[];
  /** Whether rows end with buttons. */
  readonly hasActs?: boolean;
  /** The rows. */
  readonly children: ComponentChildren;
}

export function Cards({ words, numbers, hasActs = false, children }: CardsProps) {
  return (
    <table class="instances" role="table">
      <thead role="rowgroup">
        <tr role="row">
          {words.map((word) => (
            <th key={word} scope="col" role="columnheader">
              {word}
            </th>
          ))}
          {numbers.map((word) => (
            <th key={word} scope="col" role="columnheader" class="number">
              {word}
            </th>
          ))}
          {hasActs && (
            <th scope="col" role="columnheader" class="doing">
              <span class="hidden">What can be done</span>
            </th>
          )}
        </tr>
      </thead>
      <tbody role="rowgroup">{children}</tbody>
    </table>
  );
}

/** Those of a plain table; `hidden`: of one more column, for who does not see it. */
export function Headings({ words, hidden }: { readonly words: readonly string[]; readonly hidden?: string }) {
  return (
    <thead>
      <tr>
        {words.map((word) => (
          <th key={word} scope="col">
            {word}
          </th>
        ))}
        {hidden !== undefined && (
          <th scope="col">
            <span class="hidden">{hidden}</span>
          </th>
        )}
      </tr>
    </thead>
  );
}

interface CellProps {
  readonly heading: string;
  readonly isBad?: boolean;
  readonly children: ComponentChildren;
}

/** A number; its heading stands with it on a phone. */
export function Cell({ heading, isBad = false, children }: CellProps) {
  return (
    <td role="cell" class={isBad ? "number bad" : "number"} data-heading={heading}>
      {children}
    </td>
  );
}
