// Arguments that several of slum's commands take, each written once.
import { type Read, word } from "../../cli/argument.ts";
import { parseLabel } from "../../core/name.ts";

export const readLabel: Read<string> = (text, label) => parseLabel(text, label.replace(/^--/, ""));

export const server = word("The id of the server", { hint: "SERVER", read: readLabel, names: "server" });
export const tenant = word("The id of the tenant", { hint: "TENANT", read: readLabel, names: "tenant" });
export const webhook = word("The id of the receiver", { hint: "ID", read: readLabel, names: "webhook" });
