// Slum's operations as the page needs them: a macro.
import { waysOf } from "../../api/page/ways.ts";
import { contract } from "../api/contract.ts";

export function ways() {
  return waysOf(contract);
}
