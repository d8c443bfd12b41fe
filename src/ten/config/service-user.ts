// Who the services of an installed unit run as, where the file does not say: each as a user of its own.
import type { TomlDocument } from "./toml-schema.ts";

const PREFIX = "ten-";
/** What useradd takes at most. */
const NAME_MAX = 32;
const HASH_CHARS = 8;

/** The user of a service; a long name is cut, and told apart by a hash. */
export function serviceUser(service: string): string {
  const name = PREFIX + service;
  if (name.length <= NAME_MAX) return name;
  const hash = Bun.hash(service).toString(36).slice(0, HASH_CHARS);
  return `${name.slice(0, NAME_MAX - HASH_CHARS - 1)}-${hash}`;
}

/** The document in which every service has a user; `user = "root"` stays what it is. */
export function withServiceUsers(document: TomlDocument): TomlDocument {
  const services = Object.entries(document.service).map(([name, service]) => {
    const isTold = service.user !== undefined || service.group !== undefined;
    return [name, isTold ? service : { ...service, user: serviceUser(name) }];
  });
  return { ...document, service: Object.fromEntries(services) };
}
