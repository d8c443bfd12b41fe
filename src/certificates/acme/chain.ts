// Which of the chains that an authority offers is taken (RFC 8555 section 7.4.2).
import { leafOf, rootOf } from "../certificate.ts";
import type { AcmeClient, Answer } from "./client.ts";

/** Let's Encrypt has offered three at most. */
const ALTERNATES_MOST = 8;

/**
 * The chain in PEM: the first that leads to a root with the common name `preferred`, else the one at `url`, which is offered before
 * all others. Rejects where that one cannot be had; others that cannot are passed over, for a certificate is not given up for a chain.
 */
export async function fetchChain(
  client: AcmeClient,
  url: string,
  preferred: string | undefined,
): Promise<string> {
  const answer = await client.post(url);
  const usual = answer.body;
  if (typeof usual !== "string")
    throw client.problem({ type: "garbage", detail: "a certificate that is not PEM" });
  if (preferred === undefined || rootOf(usual) === preferred) return usual;
  for (const alternate of alternatesOf(answer, url)) {
    const chain = await client.post(alternate).then(
      ({ body }) => body,
      () => undefined,
    );
    if (typeof chain === "string" && rootOf(chain) === preferred && leafOf(chain) === leafOf(usual))
      return chain;
  }
  return usual;
}

/** The addresses of its links with the relation `alternate` (RFC 8288); relative ones are so to `url`. */
export function alternatesOf({ headers }: Pick<Answer, "headers">, url: string): string[] {
  const links = (headers.get("link") ?? "").matchAll(/<([^>]*)>((?:\s*;\s*[\w*-]+=(?:"[^"]*"|[^\s",;]+))*)/g);
  const found = [...links].flatMap(([, target = "", words = ""]) => {
    const relations = /;\s*rel="?([^";]*)/i.exec(words)?.[1]?.toLowerCase().split(/\s+/) ?? [];
    return relations.includes("alternate") && URL.canParse(target, url) ? [new URL(target, url).href] : [];
  });
  return found.slice(0, ALTERNATES_MOST);
}
