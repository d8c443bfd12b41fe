// A dialog of the browser's own: it keeps the focus inside, Escape closes it, and the focus returns to where it was.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

interface DialogProps {
  readonly title: string;
  /** `drawer` fills the side of a wide screen. */
  readonly shape?: "box" | "drawer";
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

export function Dialog({ title, shape = "box", onClose, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  const onBackdrop = (event: MouseEvent) => {
    if (event.target === element.current) onClose();
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape does the same
    <dialog ref={element} class={shape} aria-labelledby={heading} onCancel={onClose} onClick={onBackdrop}>
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
