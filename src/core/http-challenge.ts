// The answer to an authority that asks by http whether a host is ours (HTTP-01, RFC 8555 section 8.3).

export const CHALLENGE_PATH = "/.well-known/acme-challenge/";
const TOKEN = /^[\w-]{16,128}$/;

/** Undefined when the path is none of it. Any token is answered: the thumbprint of the account's key is what counts. */
export function answerHttpChallenge(path: string, accountThumbprint: string): string | undefined {
  if (!path.startsWith(CHALLENGE_PATH)) return undefined;
  const token = path.slice(CHALLENGE_PATH.length);
  return TOKEN.test(token) ? `${token}.${accountThumbprint}` : undefined;
}
