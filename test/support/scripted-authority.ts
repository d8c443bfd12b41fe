// Authorities of a test's own: they issue at once, or fail as they are told, and remember what was asked of them.

import { AcmeProblem, type ProblemFacts } from "../../src/certificates/acme/problem.ts";
import type { Authorities, IssueWish } from "../../src/certificates/authority.ts";
import type { RenewalWindow } from "../../src/core/certificate-schedule.ts";
import { makeAuthority, makeCertificate, newTestKey } from "./make-certificate.ts";

const DAY_MS = 86_400_000;
export const AUTHORITY = "https://ca.test/dir";

export interface ScriptedAuthorities extends Authorities {
  readonly asked: string[];
  readonly replaced: (string | undefined)[];
  readonly revoked: string[];
  lifeMs: number;
  /** What the next orders fail with; undefined again for success. */
  failure: ProblemFacts | undefined;
  /** What it says of renewal; undefined: nothing. */
  window: RenewalWindow | undefined;
  /** Until when none is to be asked. */
  held: number | undefined;
  /** Orders wait for it. */
  gate: Promise<void>;
}

export function createScriptedAuthorities(now: () => number): ScriptedAuthorities {
  const root = makeAuthority("scripted root");
  const key = newTestKey();
  return {
    asked: [],
    replaced: [],
    revoked: [],
    lifeMs: 90 * DAY_MS,
    failure: undefined,
    window: undefined,
    held: undefined,
    gate: Promise.resolve(),
    heldUntil() {
      return this.held !== undefined && this.held > now() ? this.held : undefined;
    },
    clock: () => undefined,
    open: async () => ({ thumbprint: "thumb" }),
    async issue({ name, beforeOrder, replaces }: IssueWish) {
      await beforeOrder(AUTHORITY);
      this.asked.push(name);
      this.replaced.push(replaces?.authority);
      await this.gate;
      if (this.failure) throw new AcmeProblem("ca.test", this.failure);
      const made = makeCertificate(root, { names: [name], from: now(), until: now() + this.lifeMs }, key);
      return { chain: made.certificate, key: made.key, authority: AUTHORITY };
    },
    settle: async () => {},
    async renewalInfo() {
      return this.window && { window: this.window, askAgainMs: DAY_MS / 4 };
    },
    async revoke(chain) {
      this.revoked.push(chain);
    },
  };
}
