// TLS-ALPN-01 at a real authority: names are proved on the port for https, by any worker, and visitors of that moment notice nothing.
import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../support/free-port.ts";
import { askByTls } from "../support/https-client.ts";
import { hasPebble, NEEDS_PEBBLE, startPebble } from "../support/pebble.ts";
import { until } from "../support/until.ts";
import { startTen, tomlFor } from "./ten.ts";

setDefaultTimeout(180_000);

const HOST = "api.shop.test";

test.if(hasPebble).each([1, 2])(`with workers = %i ${NEEDS_PEBBLE}`, async (workers) => {
  const port = await freePort();
  await using pebble = await startPebble({ tlsPort: port });
  const acme = `[acme]\nauthorities = ["${pebble.directory}"]\nroots = "roots.pem"\nchallenges = ["tls-alpn-01"]\n`;
  await using ten = await startTen({
    toml: `${tomlFor("bun").replace("[settings]", `[settings]\nworkers = ${workers}`)}\n${acme}`,
    serve: ["--https", "--https-port", String(port), "--domain", "shop.test", "--host", "127.0.0.1"],
    prepare: (dir) => writeFileSync(join(dir, "roots.pem"), pebble.roots),
  });
  await ten.ok("deploy", "api:v1");
  const listed = async () =>
    (await ten.json<{ certificates: { name: string; state: string }[] }>("cert", "list")).certificates;
  await until(
    "the name has a certificate",
    async () => (await listed()).some(({ name, state }) => name === HOST && state === "valid"),
    60_000,
  );
  const ca = await pebble.issuingRoot();
  const serials = new Set<string>();
  const failed: string[] = [];
  let isOver = false;
  const visit = async () => {
    while (!isOver) {
      try {
        const { certificate, status } = await askByTls({ port, name: HOST, ca });
        if (status !== 200) failed.push(String(status));
        serials.add(certificate.serialNumber);
      } catch (thrown) {
        failed.push(String(thrown));
      }
    }
  };
  const visitors = Promise.all([visit(), visit(), visit()]);
  await until("visitors are served", () => serials.size > 0);
  for (let round = 0; round < 2; round++) await ten.ok("cert", "renew", HOST);
  await until("the last one is served", () => serials.size >= 3);
  isOver = true;
  await visitors;
  expect(failed).toEqual([]);
});
