// The text of a file behind EnvironmentFile= of systemd: variables are set in it, and all else stays as it was written.

/** The text with these variables, each in its own line: in place of the one that sets it, else at the end. */
export function withVariables(text: string, variables: Readonly<Record<string, string>>): string {
  const lines = text === "" ? [] : text.replace(/\n$/, "").split("\n");
  for (const [name, value] of Object.entries(variables)) {
    const line = `${name}=${quoted(value)}`;
    const at = lines.findLastIndex((one) => one.trimStart().startsWith(`${name}=`));
    if (at >= 0) lines[at] = line;
    else lines.push(line);
  }
  return lines.map((line) => `${line}\n`).join("");
}

/** Within double quotes a backslash escapes these, and a dollar sign is one (systemd.exec(5)). */
function quoted(value: string): string {
  return `"${value.replace(/["\\$`]/g, "\\$&")}"`;
}
