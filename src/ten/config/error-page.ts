// The operator's own page for errors: read whole, once, and small enough to be kept in memory.
import { readFileSync, statSync } from "node:fs";
import { messageOf } from "../../core/fault.ts";

const MOST_BYTES = 262_144;

/** Throws an error that says what is wrong with the file. */
export function readErrorPage(file: string): string {
  try {
    if (!statSync(file).isFile()) throw new Error("it is not a file");
    const bytes = readFileSync(file);
    if (bytes.byteLength > MOST_BYTES) throw new Error("it is larger than 256 KB");
    if (bytes.byteLength === 0) throw new Error("it is empty");
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (thrown) {
    throw new Error(`cannot use ${file}: ${reasonOf(thrown)}`, { cause: thrown });
  }
}

function reasonOf(thrown: unknown): string {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  if (code === "ENOENT" || code === "ENOTDIR") return "there is no such file";
  if (code === "EACCES") return "it may not be read";
  return code === "ERR_ENCODING_INVALID_ENCODED_DATA" ? "it is not UTF-8 text" : messageOf(thrown);
}
