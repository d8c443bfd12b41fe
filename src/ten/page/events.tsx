// What happened lately, newest first.
import type { EventView } from "./live.ts";

export function Events({ events }: { readonly events: readonly EventView[] }) {
  return (
    <section class="events" aria-labelledby="events">
      <h2 id="events">Events</h2>
      {events.length === 0 && <p class="wait">nothing happened yet</p>}
      <ol>
        {events.map(({ seq, at, service, instance, kind, detail }) => (
          <li key={seq}>
            <time dateTime={at} title={new Date(at).toLocaleString()}>
              {new Date(at).toLocaleTimeString()}
            </time>
            <b>
              {instance === null || instance.includes(":") ? (instance ?? service) : `${service}:${instance}`}
            </b>{" "}
            <span class="kind">{kind}</span> <bdi>{detail}</bdi>
          </li>
        ))}
      </ol>
    </section>
  );
}
