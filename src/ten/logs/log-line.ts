// A line of an instance's log, and which lines may be asked for.
import type { Since } from "../../core/since.ts";
import type { Stream } from "../config/paths.ts";

export interface LogLine {
  readonly instance: string;
  readonly stream: Stream;
  /** When it arrived, ISO 8601 in UTC; null when no server looked at that time. */
  readonly at: string | null;
  readonly text: string;
  /** The exact bytes, where they are no UTF-8. */
  readonly base64?: string | undefined;
}

export interface LogQuery {
  readonly process?: string | undefined;
  /** An instance's id or a version. */
  readonly id?: string | undefined;
  readonly limit: number;
  readonly search?: string | undefined;
  readonly level?: Stream | undefined;
  readonly since?: Since | undefined;
}
