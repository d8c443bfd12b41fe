// What a command led to, in the server's words.

export interface Outcome {
  readonly message: string;
  /** The command that takes it back, where there is one. */
  readonly undo: string | null;
}
