// Whether this machine has a program: what needs one that is not there is skipped, since only Node and npm are asked for.

export function lacks(program: string): boolean {
  return Bun.which(program) === null;
}
