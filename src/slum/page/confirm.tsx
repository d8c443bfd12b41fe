// The dialog before every change: whom it concerns, and the command that does the same.

import { useState } from "preact/hooks";
import { CommandLine } from "../../api/page/copy.tsx";
import { Dialog } from "../../api/page/dialog.tsx";
import { Failure } from "../../api/page/failure.tsx";
import { faultOf } from "../../api/page/fault.ts";
import type { Outcome } from "../../api/page/outcome.ts";
import type { Fault } from "../../core/fault.ts";
import type { SlumClient } from "../api/contract.ts";
import type { ServerView } from "../api/shapes.ts";
import { type Act, commandFor, perform } from "./act.ts";

interface ConfirmProps {
  readonly act: Act;
  readonly client: SlumClient;
  readonly servers: readonly ServerView[];
  readonly onClose: () => void;
  readonly onDone: (outcome: Outcome) => void;
}

export function Confirm({ act, client, servers, onClose, onDone }: ConfirmProps) {
  const choices = act.kind === "move" ? servers.filter(({ id }) => id !== act.tenant.server) : [];
  const [to, setTo] = useState(choices[0]?.id ?? "");
  const [fault, setFault] = useState<Fault>();
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      onDone(await perform(client, act, to));
    } catch (thrown) {
      setFault(faultOf(thrown));
      setBusy(false);
    }
  };
  const subject = act.kind === "move" ? act.tenant.id : act.server.id;
  return (
    <Dialog title={`${WORDS[act.kind]} ${subject}`} onClose={onClose}>
      <form onSubmit={submit}>
        {act.kind === "move" && <Destination choices={choices} to={to} onChange={setTo} />}
        <p>{explain(act, servers)}</p>
        <Failure fault={fault} />
        <footer>
          <CommandLine line={commandFor(act, to)} />
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={isBusy || (act.kind === "move" && to === "")}>
            {isBusy ? "Waiting…" : WORDS[act.kind]}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

interface DestinationProps {
  readonly choices: readonly ServerView[];
  readonly to: string;
  readonly onChange: (id: string) => void;
}

function Destination({ choices, to, onChange }: DestinationProps) {
  return (
    <fieldset class="route">
      <label for="to">To</label>
      <select id="to" value={to} required onChange={(event) => onChange(event.currentTarget.value)}>
        {choices.map(({ id, status, drained }) => (
          <option key={id} value={id}>
            {id} ({drained ? "drained" : status})
          </option>
        ))}
      </select>
    </fieldset>
  );
}

const WORDS = { drain: "Drain", undrain: "Undrain", check: "Check", move: "Move" } as const;

function explain(act: Act, servers: readonly ServerView[]): string {
  switch (act.kind) {
    case "move":
      return `Its home is ${act.tenant.server} now. Its requests go to the new one at once; its data is yours to move.`;
    case "undrain":
      return "It gets requests again: its own tenants, and those that fail over to it.";
    case "check":
      return "Asks it for its health now, and whether it trusts this slum.";
    case "drain": {
      const { id, tenants, in_flight: inFlight } = act.server;
      const others = servers.filter(
        (one) => one.id !== id && !one.drained && one.status !== "offline",
      ).length;
      return `It gets no new requests; the ${inFlight} under way finish. The home of ${tenants} tenants is here: they go to their other servers (${others} could take them), and those without any get 503.`;
    }
  }
}
