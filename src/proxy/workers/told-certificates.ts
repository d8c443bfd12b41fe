// The certificates of a listener in a process of its own: as its supervisor tells them, and asked for by name where none is known.
import type { SecureContext } from "node:tls";
import { answerHttpChallenge } from "../../core/http-challenge.ts";
import { canonicalServerName, NameIndex } from "../../core/server-name.ts";
import { TlsContexts, type TlsContextsOptions } from "../../platform/net/tls-contexts.ts";
import type { CertificateNews, CertificateSource, HandshakeResult, ServedPair } from "../data-plane.ts";

/** As the name of a context: no host is called so. */
const challengeOf = (name: string) => `${name} challenge`;

export class ToldCertificates implements CertificateSource {
  readonly #contexts: TlsContexts;
  #news: CertificateNews;
  #byName = new NameIndex<ServedPair>();
  /** Names that are asked for at this moment: of a thousand handshakes at once one asks. */
  readonly #asked = new Map<string, Promise<SecureContext | undefined>>();
  readonly #followers = new Set<() => Promise<void>>();
  readonly #ask: (name: string) => Promise<void>;

  /** `ask` resolves when everything that the supervisor has to tell about a name has been taken; it may reject. */
  constructor(options: TlsContextsOptions, news: CertificateNews, ask: (name: string) => Promise<void>) {
    this.#contexts = new TlsContexts(options);
    this.#ask = ask;
    this.#news = news;
    this.take(news);
  }

  take(news: CertificateNews): void {
    this.#news = news;
    const byName = new NameIndex<ServedPair>();
    for (const pair of news.certificates) for (const name of pair.names) byName.set(name, pair);
    this.#byName = byName;
    for (const follower of this.#followers) void follower();
  }

  contextFor(serverName: string): SecureContext | Promise<SecureContext | undefined> | undefined {
    const name = canonicalServerName(serverName);
    if (name === undefined) return undefined;
    const found = this.#find(name);
    if (found !== undefined) return found;
    const under = this.#asked.get(name);
    if (under !== undefined) return under;
    const asking = this.#ask(name)
      .then(() => this.#find(name))
      .catch(() => undefined)
      .finally(() => this.#asked.delete(name));
    this.#asked.set(name, asking);
    return asking;
  }

  #find(name: string): SecureContext | undefined {
    const pair = this.#byName.get(name);
    return pair && this.#contexts.of(name, pair);
  }

  fallback(): ServedPair | undefined {
    return this.#news.fallback;
  }

  get hasChallenges(): boolean {
    return this.#news.challenges.length > 0;
  }

  challengeFor(serverName: string): SecureContext | undefined {
    const name = canonicalServerName(serverName);
    const pair = this.#news.challenges.find((challenge) => challenge.name === name);
    return pair && this.#contexts.of(challengeOf(pair.name), pair);
  }

  has(host: string): boolean {
    const name = canonicalServerName(host);
    return name !== undefined && this.#byName.get(name) !== undefined;
  }

  covers(serverName: string, host: string): boolean {
    const name = canonicalServerName(serverName);
    if (name === undefined || name === host) return true;
    const pair = this.#byName.get(name);
    return pair !== undefined && pair === this.#byName.get(host);
  }

  challengeAnswer(path: string): string | undefined {
    const { thumbprint } = this.#news;
    return thumbprint === undefined ? undefined : answerHttpChallenge(path, thumbprint);
  }

  async news(): Promise<CertificateNews> {
    return this.#news;
  }

  follow(changed: () => Promise<void>): () => void {
    this.#followers.add(changed);
    return () => this.#followers.delete(changed);
  }
}

/** Names that a worker asks its supervisor for, by number: given up when there is none. */
export class NameQuestions {
  readonly #open = new Map<number, PromiseWithResolvers<void>>();
  #send: ((id: number, name: string) => void) | undefined;
  #last = 0;

  ask(name: string): Promise<void> {
    if (this.#send === undefined) return Promise.reject(new Error("no supervisor"));
    const id = ++this.#last;
    const question = Promise.withResolvers<void>();
    this.#open.set(id, question);
    this.#send(id, name);
    return question.promise;
  }

  looked(id: number): void {
    this.#open.get(id)?.resolve();
    this.#open.delete(id);
  }

  /** There is a supervisor, to whom `send` leads; undefined: there is none, and nobody answers what is open. */
  attach(send: ((id: number, name: string) => void) | undefined): void {
    this.#send = send;
    for (const { reject } of this.#open.values()) reject(new Error("no supervisor"));
    this.#open.clear();
  }
}

/** Counts handshakes until they are told. */
export class HandshakeCounts {
  #counts = new Map<HandshakeResult, number>();

  readonly add = (result: HandshakeResult): void => {
    this.#counts.set(result, (this.#counts.get(result) ?? 0) + 1);
  };

  take(): [HandshakeResult, number][] {
    const taken = [...this.#counts];
    if (taken.length > 0) this.#counts = new Map();
    return taken;
  }
}
