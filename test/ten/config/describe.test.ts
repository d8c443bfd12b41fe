import { expect, test } from "bun:test";
import { parseConfig } from "../../../src/ten/config/config.ts";
import { describe, describeAsToml } from "../../../src/ten/config/describe.ts";

const FILE = "/srv/tenement.toml";
const SMALL = String.raw`
[service.api]
command = "sh -c 'exec \"./a b\" --x=\\n {port}'"
health_check_interval = 0.5
[service.api.env]
ODD = "a\"b\\c\n\t# é"
[instances]
api = ["v1"]
`;

test("the description holds every default, and the data directory as it is used", () => {
  const { settings, service, instances, routing, config } = describe(parseConfig(SMALL, FILE));
  expect(config).toBe(FILE);
  expect(settings).toMatchObject({ data_dir: "/srv/tenement-data", max_restarts: 3, ports: "20000-29999" });
  expect(service.api).toMatchObject({
    startup_timeout: 30,
    health_check_interval: 0.5,
    env: { ODD: 'a"b\\c\n\t# é' },
  });
  expect(instances).toEqual({ api: ["v1"] });
  expect(routing).toEqual({});
});

test("the description as TOML is the same configuration", () => {
  const config = parseConfig(SMALL, FILE);
  const again = parseConfig(describeAsToml(config), FILE);
  expect(again.services).toEqual(config.services);
  expect(again.settings).toEqual(config.settings);
  expect(again.instances).toEqual(config.instances);
});
