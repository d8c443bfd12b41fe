// What went wrong, as a page tells it: also what is no fault of the server's.
import { Fault } from "../../core/fault.ts";

export function faultOf(thrown: unknown): Fault {
  return thrown instanceof Fault ? thrown : new Fault("internal", String(thrown));
}
