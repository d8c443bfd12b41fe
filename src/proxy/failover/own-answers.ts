// How often the program has answered itself, in the place of its servers: by reason, and by the server that was asked last.
import { type AnswerName, statusOf } from "../answers.ts";

export interface OwnAnswerCount {
  /** Undefined: nobody was asked. */
  readonly server: string | undefined;
  readonly reason: AnswerName;
  readonly status: number;
  /** Since the start. */
  readonly count: number;
}

/** As many as there are servers and reasons. */
export class OwnAnswers {
  readonly #counts = new Map<string | undefined, Map<AnswerName, number>>();

  count(server: string | undefined, reason: AnswerName): void {
    const ofServer = this.#counts.get(server) ?? new Map<AnswerName, number>();
    ofServer.set(reason, (ofServer.get(reason) ?? 0) + 1);
    this.#counts.set(server, ofServer);
  }

  /** What was counted of servers that are no more goes with them. */
  retain(servers: ReadonlySet<string>): void {
    for (const server of this.#counts.keys())
      if (server !== undefined && !servers.has(server)) this.#counts.delete(server);
  }

  all(): OwnAnswerCount[] {
    return Array.from(this.#counts, ([server, reasons]) =>
      Array.from(reasons, ([reason, count]) => ({ server, reason, status: statusOf(reason), count })),
    ).flat();
  }
}
