// Certificates that nobody renews, and that somebody did: told to the receivers of webhooks once each.
import type { Clock } from "../../platform/time/clock.ts";
import { CERTIFICATE_ENDS } from "../../webhooks/kinds.ts";
import type { Outbox } from "../../webhooks/outbox.ts";
import type { Registry } from "../registry/registry.ts";
import { tell } from "./announcer.ts";

/** An event, and a webhook for what somebody has to see to: once, however many slums see it, until it is done. */
export async function tellOfCertificate(
  { registry, webhooks, clock }: { registry: Registry; webhooks: Outbox; clock: Clock },
  kind: string,
  name: string,
  detail: string,
): Promise<void> {
  const thing = `certificate ${name}`;
  await registry.write((writer) => {
    writer.event(kind, {}, `${name} ${detail}`);
    const known = registry.alerts.get(thing);
    const open = kind === "certificate.expiring";
    if (!open && kind !== "certificate.renewed" && !CERTIFICATE_ENDS.has(kind)) return;
    if (open === (known?.open ?? false)) return;
    const begunAt = open ? Math.round(registry.now()) : (known?.begunAt ?? 0);
    if (known) writer.alerts.change(known, { open, begunAt });
    else writer.alerts.add({ thing, open, begunAt });
    tell(
      registry,
      writer,
      { type: open ? kind : "certificate.renewed", data: { name, detail } },
      clock.now(),
    );
  });
  webhooks.kick();
}
