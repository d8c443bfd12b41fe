// What went wrong, in the words of the command line: the message, and what to do next.
import type { Fault } from "../../core/fault.ts";

export function Failure({ fault }: { readonly fault: Pick<Fault, "message" | "hint"> | undefined }) {
  return (
    <div role="alert">
      {fault && (
        <p class="failure">
          <strong>{fault.message}</strong>
          {fault.hint !== undefined && <span class="hint">{fault.hint}</span>}
        </p>
      )}
    </div>
  );
}
