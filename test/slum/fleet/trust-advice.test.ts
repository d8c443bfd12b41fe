// What is to be written into a tenement.toml, by what the tenement says of us.
import { expect, test } from "bun:test";
import { trustAdvice } from "../../../src/slum/fleet/trust-advice.ts";

const NOTHING = { peer: undefined, trusted: undefined, selector: undefined, slum: undefined };
const seen = { ...NOTHING, peer: "10.0.0.5" };

test.each([
  [{ ...seen, trusted: true, selector: true }, false, undefined],
  // One of an older version, which heeds everybody's selector.
  [{ ...seen, trusted: true }, false, undefined],
  // An app, or a tenement that has not answered.
  [NOTHING, false, undefined],
  [
    { ...seen, trusted: false },
    false,
    'which it sees as 10.0.0.5: visitors\' addresses and domains are lost there. Add "10.0.0.5" to trusted_proxies in its',
  ],
  [
    { ...seen, trusted: true, selector: false },
    false,
    'it serves nobody whom slum sends. Add "10.0.0.5" to selector_from in its',
  ],
  [
    { ...seen, trusted: false, selector: false },
    false,
    'Add "10.0.0.5" to trusted_proxies and selector_from in its',
  ],
  [
    NOTHING,
    true,
    'Add "10.9.9.9", or what its log calls this slum, to trusted_proxies and selector_from in its',
  ],
])("%p, a stranger: %p", (report, isStranger, advice) => {
  const said = trustAdvice("iad", report, isStranger, "10.9.9.9");
  if (advice === undefined) expect(said).toBeUndefined();
  else expect(said).toContain(advice);
});
