// A foreign text as it may be shown in a message.

const SHOWN_MAX_CHARS = 80;

/** In quotes, cut to 80 characters, control characters made visible. */
export function quote(text: string): string {
  return JSON.stringify(text.length > SHOWN_MAX_CHARS ? `${text.slice(0, SHOWN_MAX_CHARS - 1)}…` : text);
}
