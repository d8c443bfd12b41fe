// Which servers are bad, since when, whom it hurts, and what to do: the first that is read.
import { Name } from "../../api/page/name.tsx";
import { Since } from "../../api/page/since.tsx";
import { formatSeconds } from "../../cli/format.ts";
import type { ServerView } from "../api/shapes.ts";
import type { Act } from "./act.ts";

interface VerdictsProps {
  readonly servers: readonly ServerView[];
  readonly mayAct: boolean;
  readonly onAct: (act: Act) => void;
  readonly onOpen: (id: string) => void;
}

/** More of them are in the grid below. */
const SHOWN = 3;

/** The one whose end hurts the most tenants comes first. */
export function Verdicts({ servers, ...rest }: VerdictsProps) {
  const bad = servers
    .filter(({ status }) => status === "offline")
    .toSorted((a, b) => b.tenants - a.tenants || Date.parse(a.since) - Date.parse(b.since));
  return (
    <>
      {bad.slice(0, SHOWN).map((one) => (
        <Verdict key={one.id} one={one} {...rest} />
      ))}
      {bad.length > SHOWN && <p class="count bad">and {bad.length - SHOWN} more are offline</p>}
    </>
  );
}

interface VerdictProps extends Omit<VerdictsProps, "servers"> {
  readonly one: ServerView;
}

function Verdict({ one, mayAct, onAct, onOpen }: VerdictProps) {
  const { id, tenants, last_error: error, drained } = one;
  return (
    <div class="verdict bad">
      <p>
        <strong>
          <Name text={id} /> is offline{error === null ? "" : `: ${error}`}
        </strong>
        <span class="since">
          <Since since={one.since} format={formatSeconds} />
          {drained && ", drained"}
          {tenants > 0 && `, home of ${tenants === 1 ? "1 tenant" : `${tenants} tenants`}`}
        </span>
      </p>
      <div class="acts">
        {mayAct && (
          <button
            type="button"
            aria-label={`Check ${id} now`}
            onClick={() => onAct({ kind: "check", server: one })}
          >
            Check…
          </button>
        )}
        <button type="button" class="primary" aria-label={`Why ${id} is offline`} onClick={() => onOpen(id)}>
          Why
        </button>
      </div>
    </div>
  );
}
