// A dialog of the browser's own: it keeps the focus inside, Escape closes it, and the focus returns to what opened it.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

interface DialogProps {
  readonly title: string;
  /** `drawer` fills the side of a wide screen. */
  readonly shape?: "box" | "drawer";
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

/** To what opened the dialog; where that is no more, to what is on top now. */
function giveFocusBack(opener: Element | null): void {
  const isThere = opener instanceof HTMLElement && opener.isConnected && opener !== document.body;
  const top = [...document.querySelectorAll("dialog[open] h2, main")].at(-1);
  const next = isThere ? opener : top;
  if (next instanceof HTMLElement) next.focus({ preventScroll: true });
}

export function Dialog({ title, shape = "box", onClose, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const opener = document.activeElement;
    element.current?.showModal();
    // The element is gone from the page by then, and with it what a browser remembers of the focus.
    return () => queueMicrotask(() => giveFocusBack(opener));
  }, []);
  const onBackdrop = (event: MouseEvent) => {
    if (event.target === element.current) onClose();
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape does the same
    <dialog ref={element} class={shape} aria-labelledby={heading} onClose={onClose} onClick={onBackdrop}>
      <div class="inside">
        <header>
          {/* Where reading begins; the first control would be the one that closes. */}
          <h2 id={heading} tabIndex={-1} autofocus>
            {title}
          </h2>
          <button type="button" class="quiet" aria-label="Close" onClick={onClose}>
            ✕
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
