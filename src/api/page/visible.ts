// What a page does only while somebody looks at it: hidden tabs cost the server nothing.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Fault } from "../../core/fault.ts";
import { faultOf } from "./fault.ts";

const SLOWER = 10;
const LATEST_MS = 10_000;

/**
 * Reads at once and again `periodMs` after each answer (later where an answer takes long), while the page is visible.
 * `read` must not reject for anything but its signal. It begins anew when one of `inputs` changes.
 */
export function usePoll(
  read: (signal: AbortSignal) => Promise<void>,
  periodMs: number,
  inputs: readonly unknown[] = [],
): void {
  const latest = useRef(read);
  latest.current = read;
  useWhileVisible((signal) => {
    const turn = async () => {
      const startedAt = performance.now();
      await latest.current(signal).catch(() => {});
      if (signal.aborted) return;
      setTimeout(
        () => signal.aborted || turn(),
        Math.max(periodMs, Math.min(LATEST_MS, SLOWER * (performance.now() - startedAt))),
      );
    };
    void turn();
  }, inputs);
}

export interface Answer<T> {
  /** The last one; undefined before the first. */
  readonly answer: T | undefined;
  /** Why there is none now. */
  readonly fault: Fault | undefined;
  /** Takes what a command has answered as the last one. */
  readonly set: (answer: T) => void;
}

/** What `read` answers, read again and again as by `usePoll`. */
export function useAnswer<T>(
  read: (signal: AbortSignal) => Promise<T>,
  periodMs: number,
  inputs: readonly unknown[] = [],
): Answer<T> {
  const [answer, set] = useState<T>();
  const [fault, setFault] = useState<Fault>();
  usePoll(
    async (signal) => {
      try {
        const fresh = await read(signal);
        if (signal.aborted) return;
        set(() => fresh);
        setFault(undefined);
      } catch (thrown) {
        if (!signal.aborted) setFault(faultOf(thrown));
      }
    },
    periodMs,
    inputs,
  );
  return { answer, fault, set: (fresh) => set(() => fresh) };
}

/** Calls `begin` whenever the page becomes visible or one of `inputs` changes; the signal fires at the end of that. */
export function useWhileVisible(begin: (signal: AbortSignal) => void, inputs: readonly unknown[]): void {
  useEffect(() => {
    let stop = new AbortController();
    const change = () => {
      stop.abort();
      stop = new AbortController();
      if (!document.hidden) begin(stop.signal);
    };
    change();
    document.addEventListener("visibilitychange", change);
    return () => {
      document.removeEventListener("visibilitychange", change);
      stop.abort();
    };
  }, inputs);
}

/** So far below and above what is to be seen it counts as near, in CSS pixels. */
const NEAR_PX = 500;

/** Whether an element is to be seen, or nearly so; `box` is to be its `ref`. */
export function useNear() {
  const box = useRef<HTMLDivElement>(null);
  const [isNear, setNear] = useState(false);
  useEffect(() => {
    if (!box.current) return;
    const observer = new IntersectionObserver((entries) => setNear(entries.at(-1)?.isIntersecting === true), {
      rootMargin: `${NEAR_PX}px 0px`,
    });
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  return { box, isNear };
}
