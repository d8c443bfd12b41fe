// A command to run in a terminal, and a button that copies it.
import { useState } from "preact/hooks";

export function CommandLine({ line }: { readonly line: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = () => navigator.clipboard.writeText(line).then(() => setCopied(true));
  return (
    <span class="command">
      <code>{line}</code>
      {/* Only pages that came safely, or from this machine, may use the clipboard. */}
      {isSecureContext && (
        <button type="button" class="quiet" onClick={copy}>
          {isCopied ? "Copied" : "Copy"}
        </button>
      )}
    </span>
  );
}
