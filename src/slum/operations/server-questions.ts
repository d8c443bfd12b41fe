// What a server says of itself when it is asked, and what of that its operator is to be told.
import type { Target } from "../../core/route.ts";
import type { CheckResult } from "../../platform/net/health-check.ts";
import { localAddressTowards } from "../../platform/net/local-address.ts";
import type { Resolver } from "../../platform/net/resolver.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Upstream } from "../../proxy/http-client.ts";
import { isTenement, NO_REPORT, type SelfReport, selfReportOf } from "../fleet/ask-tenement.ts";
import type { Servers } from "../fleet/fleet.ts";
import { targetOf } from "../fleet/routes.ts";
import { trustAdvice } from "../fleet/trust-advice.ts";

export interface ServerQuestionsParts {
  readonly fleet: Servers;
  readonly resolver: Resolver;
  readonly upstream: Upstream;
  readonly ca: string | undefined;
  readonly clock: Clock;
  /** The name by which this slum knows itself at /health. */
  readonly slumId: string;
}

const TRUST_IT =
  "if the root of its certificate is your own: slum serve --ca FILE, or NODE_EXTRA_CA_CERTS=FILE to trust it besides the public ones";
/** A certificate that no known root vouches for; a wrong name or date is the server's to mend. */
const UNKNOWN_ROOT = /certificate not trusted: .*(verify|self.signed|issuer)/i;

export class ServerQuestions {
  readonly #parts: ServerQuestionsParts;

  constructor(parts: ServerQuestionsParts) {
    this.#parts = parts;
  }

  /** What it tells at /health; an empty report while nobody knows how to reach it. */
  async report(id: string): Promise<SelfReport> {
    const server = this.#parts.fleet.find(id);
    const target = this.#targetOf(id);
    return server && target ? selfReportOf(this.#parts, server, target) : NO_REPORT;
  }

  async isThisSlum(id: string): Promise<boolean> {
    return (await this.report(id)).slum === this.#parts.slumId;
  }

  /** Whether it lets this slum say what to serve, as far as it tells: one of an older version heeds everybody. */
  async heedsUs(id: string): Promise<boolean> {
    const { selector, trusted } = await this.report(id);
    return selector ?? (trusted !== undefined || !(await this.#isStranger(id)));
  }

  /** What a check and a report give reason to say. */
  async warnings(id: string, result: CheckResult | undefined, report: SelfReport): Promise<string[]> {
    return [...failureOf(id, result), ...(await this.#objections(id, report))];
  }

  /** Warnings that follow from what a tenement says about us at /health. */
  async #objections(id: string, report: SelfReport): Promise<string[]> {
    const { peer, trusted, selector, slum } = report;
    if (slum !== undefined)
      return [`${id} is ${slum === this.#parts.slumId ? "this slum itself" : "a slum"}, not a tenement`];
    const stranger = trusted === undefined && selector === undefined && (await this.#isStranger(id));
    const own = stranger && peer === undefined ? await this.#ownAddress(id) : undefined;
    const advice = trustAdvice(id, report, stranger, own);
    return advice === undefined ? [] : [advice];
  }

  /** Whether it is a tenement that tells this slum nothing, as it tells those that are in none of its lists. */
  async #isStranger(id: string): Promise<boolean> {
    const target = this.#targetOf(id);
    return target !== undefined && isTenement(this.#parts, target).catch(() => false);
  }

  async #ownAddress(id: string): Promise<string | undefined> {
    const address = this.#targetOf(id)?.address;
    return address && localAddressTowards(address.host, address.port);
  }

  #targetOf(id: string): Target | undefined {
    const { fleet, resolver, ca } = this.#parts;
    const server = fleet.find(id);
    const isKnown = server && resolver.address(server.url.host) !== undefined;
    return isKnown ? targetOf(server, { resolver, ca }) : undefined;
  }
}

function failureOf(id: string, result: CheckResult | undefined): string[] {
  if (result === undefined || result.ok) return [];
  const failure = `${id} does not answer as it should: ${result.detail}`;
  return UNKNOWN_ROOT.test(result.detail) ? [failure, TRUST_IT] : [failure];
}
