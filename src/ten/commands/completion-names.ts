// What the running server knows by name, for completion.
import type { Asking, Lookup, Name } from "../../cli/command.ts";
import { parseInstance } from "../../core/name.ts";
import type { InstanceView } from "../api/shapes.ts";
import { findConfig, readDocument } from "../config/config.ts";
import { connect } from "./connect.ts";

export const names: Readonly<Record<string, Lookup>> = {
  certificate: async (asking) => {
    const { certificates } = await connect(asking).listCertificates({ query: {} }, asking);
    return certificates.map(({ name, state }) => ({ text: name, about: state }));
  },
  webhook: async (asking) => {
    const { webhooks } = await connect(asking).listWebhooks({}, asking);
    return webhooks.map(({ id, url }) => ({ text: id, about: url }));
  },
  service: services,
  running: (asking) => instances(asking, isRunning),
  stopped: (asking) => instances(asking, (one) => !isRunning(one)),
  subject: async (asking) => [...(await services(asking)), ...(await instances(asking, () => true))],
  /** Ids of running instances of the service that the first word names. */
  id: async (asking) => {
    const found = await instances(asking, isRunning);
    const ofService = found.filter(({ text }) => parseInstance(text).service === asking.words[0]);
    return ofService.map(({ text, about }) => ({ text: parseInstance(text).id, about }));
  },
};

async function instances(asking: Asking, wanted: (one: InstanceView) => boolean): Promise<Name[]> {
  const { instances: all } = await connect(asking).listInstances({}, asking);
  return all.filter(wanted).map(({ id, state, share }) => ({ text: id, about: `${state}, ${share} %` }));
}

function isRunning({ state }: InstanceView): boolean {
  return state !== "stopped" && state !== "failed";
}

/** Those of the server, or while none answers those of the file. */
async function services(asking: Asking): Promise<Name[]> {
  const { service = {} } = await connect(asking)
    .config({}, asking)
    .catch(() => readDocument(findConfig(process.cwd(), asking.globals.config)));
  return Object.keys(service as object).map((text) => ({ text, about: "service" }));
}
