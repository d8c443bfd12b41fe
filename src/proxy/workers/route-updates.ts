// The routes as workers are told them: whole to one that is new, and afterwards only those that have changed.
import type { Route } from "../../core/route.ts";
import type { ToWorker, WorkerSettings } from "./protocol.ts";

/** What a worker begins with besides its routes. */
export interface Beginning extends Pick<Extract<ToWorker, { kind: "open" }>, "port" | "offer" | "https"> {
  readonly settings: WorkerSettings;
}

export interface RouteUpdates {
  /** Takes the routes that are to be in force. */
  take(routes: readonly Route[], defaultRoute: string | undefined): void;
  /** A message to whoever heard of everything before the last `take`. */
  news(): string;
  /** The same to somebody else. */
  whole(): string;
  /** To a worker that begins with them. */
  opening(beginning: Beginning): string;
}

export function createRouteUpdates(): RouteUpdates {
  /** As JSON, by name: compared, and sent, as they are. */
  let known = new Map<string, string>();
  let changed: readonly string[] = [];
  let defaultRoute: string | undefined;

  function message(routes: Iterable<string>, head: object): string {
    const text = JSON.stringify({ ...head, names: [...known.keys()], defaultRoute });
    return `${text.slice(0, -1)},"changed":[${[...routes].join(",")}]}`;
  }

  return {
    take(routes, home) {
      const next = new Map(routes.map((route) => [route.name, JSON.stringify(route)]));
      changed = [...next].flatMap(([name, json]) => (known.get(name) === json ? [] : [json]));
      known = next;
      defaultRoute = home;
    },
    news: () => message(changed, { kind: "publish" }),
    whole: () => message(known.values(), { kind: "publish" }),
    opening: (beginning) => message(known.values(), { kind: "open", ...beginning }),
  };
}
