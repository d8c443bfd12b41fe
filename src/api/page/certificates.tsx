// The certificates of either program: names, issuers, the days that are left, the next try and the last failure, the worst first.

import { Cards, Cell } from "./cards.tsx";
import { wordsOf } from "./frame.tsx";
import { Name } from "./name.tsx";
import { dayOf } from "./time.ts";
import { useAnswer } from "./visible.ts";

interface Certificate {
  readonly name: string;
  readonly state: "valid" | "expiring" | "expired" | "missing";
  readonly source: string;
  readonly issuer: string | null;
  readonly days_left: number | null;
  readonly renew_at: string | null;
  readonly ordering: boolean;
  readonly failures: number;
  readonly next_try_at: string | null;
  readonly last_failure: { readonly at: string; readonly reason: string } | null;
}

interface Found {
  readonly https: boolean;
  readonly total: number;
  readonly certificates: readonly Certificate[];
}

interface CertificatesProps {
  readonly client: {
    listCertificates(
      sent: { readonly query: { readonly search: string; readonly limit: number } },
      options: { readonly signal: AbortSignal },
    ): Promise<Found>;
  };
  readonly filter: string;
}

const EVERY_MS = 10_000;
const ROWS = 20;
const HEADINGS = ["Days left", "Next", "Issuer", "From"];

/** Nothing where https is not served. */
export function Certificates({ client, filter }: CertificatesProps) {
  const search = wordsOf(filter)[0] ?? "";
  const { answer: found } = useAnswer(
    (signal) => client.listCertificates({ query: { search, limit: ROWS } }, { signal }),
    EVERY_MS,
    [search],
  );
  if (!found?.https || (found.total === 0 && search !== "")) return null;
  const { certificates, total } = found;
  return (
    <section class="service" aria-labelledby="certificates">
      <header>
        <h2 id="certificates">Certificates</h2>
        <span class="count">
          {certificates.length < total ? `${certificates.length} of ${total}` : total}
        </span>
      </header>
      {total === 0 && <p class="wait">none, and none is wanted yet</p>}
      {total > 0 && (
        <Cards words={["Name", "State"]} numbers={HEADINGS}>
          {certificates.map((one) => (
            <Row key={`${one.source} ${one.name}`} one={one} />
          ))}
        </Cards>
      )}
    </section>
  );
}

const LOOKS = {
  valid: "state-healthy",
  expiring: "state-unhealthy",
  expired: "state-failed",
  missing: "state-starting",
} as const;

function Row({ one }: { readonly one: Certificate }) {
  const { name, state, ordering, issuer, source, days_left: days, last_failure: failure, failures } = one;
  const isFailing = failures > 0 || (state === "missing" && failure !== null);
  const values = [
    days === null ? "–" : Math.floor(days),
    endOf(one.next_try_at ?? one.renew_at),
    issuer ?? "–",
    source,
  ];
  return (
    <tr role="row">
      <th scope="row" role="rowheader">
        <b>
          <Name text={name} />
        </b>
      </th>
      <td role="cell" class="state">
        <span class={`badge ${isFailing ? "state-failed" : LOOKS[state]}`}>
          {ordering ? `${state}, ordered now` : state}
        </span>
        {isFailing && failure !== null && <span class="reason">{failure.reason}</span>}
      </td>
      {values.map((value, place) => (
        <Cell key={HEADINGS[place]} heading={HEADINGS[place] ?? ""} isBad={place === 0 && state !== "valid"}>
          {value}
        </Cell>
      ))}
    </tr>
  );
}

/** In the visitor's own time. */
function endOf(at: string | null): string {
  if (at === null) return "–";
  return dayOf(at);
}
