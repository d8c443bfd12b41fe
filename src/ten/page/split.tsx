// A service's traffic as a bar, and as a table of what a change would make of it.
import { Headings } from "../../api/page/cards.tsx";
import { type Line, labelOf, type VersionShare } from "./plan.ts";

const COLOURS = 6;
const SHOWN = 8;

export function colourOf(versions: readonly VersionShare[], version: string): string {
  return `c${colourNumber(versions, version)}`;
}

/** The same as a number. What is gone comes after what runs; `gone` are all that are shown. */
export function colourNumber(
  versions: readonly VersionShare[],
  version: string,
  gone: readonly string[] = [],
): number {
  const running = versions.map((one) => one.version);
  const all = [...running, ...gone.filter((one) => !running.includes(one))];
  return Math.max(0, all.indexOf(version)) % COLOURS;
}

export function SplitBar({ versions }: { readonly versions: readonly VersionShare[] }) {
  const taking = versions.filter(({ share }) => share > 0);
  const words = taking.map(({ version, share }) => `${version} ${share} %`);
  if (taking.length === 0) return <p class="notraffic">no instance takes traffic</p>;
  const more = taking.length - SHOWN;
  return (
    <div class="split">
      <div class="bar" role="img" aria-label={`Split: ${words.join(", ")}`}>
        {taking.map(({ version, share }) => (
          <span key={version} class={colourOf(versions, version)} style={{ width: `${share}%` }} />
        ))}
      </div>
      <ul class="legend" aria-hidden="true">
        {taking.slice(0, SHOWN).map(({ version, share }) => (
          <li key={version}>
            <i class={colourOf(versions, version)} />
            <b>{version}</b> {share} %
          </li>
        ))}
        {more > 0 && <li>and {more} more</li>}
      </ul>
    </div>
  );
}

/** Before and after, one line an instance; those that change stand out. */
export function SplitChange({ lines }: { readonly lines: readonly Line[] }) {
  return (
    <table class="change">
      <Headings words={["Instance", "Now", "Then"]} hidden="Share then" />
      <tbody>
        {lines.map(({ id, before, after }) => (
          <tr key={id} class={after?.share === before.share ? "" : "changes"}>
            <th scope="row">{labelOf(id)}</th>
            <td>{before.share} %</td>
            <td>{after ? `${after.share} %` : "stopped"}</td>
            <td class="meter">
              <span style={{ width: `${after?.share ?? 0}%` }} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
