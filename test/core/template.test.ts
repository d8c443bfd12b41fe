import { describe, expect, test } from "bun:test";
import { checkTemplate, fill } from "../../src/core/template.ts";

const values = {
  name: "api",
  id: "{port}",
  version: "v2",
  data_dir: "/d",
  instance_dir: "$&",
  shared_dir: "/s",
  release_dir: "/r",
  port: "8080",
  env: { PATH: "/bin:{id}" },
};

describe("placeholders are filled in, and other braces are text", () => {
  const filled: [template: string, text: string][] = [
    ["--port={port}", "--port=8080"],
    ["{name}-{version}", "api-v2"],
    ['{"a":{"port":{port}}}', '{"a":{"port":8080}}'],
    ["{} {1} {a,b} { port }", "{} {1} {a,b} { port }"],
    ["{{port}}", "{port}"],
    ["{{{port}}}", "{{port}}"],
    ["{env.PATH}:/opt", "/bin:{id}:/opt"],
    ["{{env.PATH}} $" + "{env.PATH}", "{env.PATH} $" + "{env.PATH}"],
    ["{{anything}}", "{anything}"],
    ["exec x $" + "{port}", "exec x $" + "{port}"],
  ];
  test.each(filled)("%s", (template, text) => {
    checkTemplate(template);
    expect(fill(template, values)).toBe(text);
  });
});

test("a value that looks like a placeholder or a pattern stays as it is", () => {
  expect(fill("{id} {instance_dir}", values)).toBe("{port} $&");
});

describe("an unknown placeholder is refused with the nearest known one", () => {
  const refused: [template: string, message: string, hint: string][] = [
    ["{prot}", "{prot} is not a placeholder", "did you mean {port}? For the text itself write {{prot}}"],
    ["{PORT}", "{PORT} is not a placeholder", "did you mean {port}? For the text itself write {{PORT}}"],
    [
      "{data-dir}",
      "{data-dir} is not a placeholder",
      "did you mean {data_dir}? For the text itself write {{data-dir}}",
    ],
    [
      "{user}",
      "{user} is not a placeholder",
      "the nearest known one is {name}. For the text itself write {{user}}",
    ],
  ];
  test.each(refused)("%s", (template, message, hint) => {
    expect(catching(() => checkTemplate(template))).toMatchObject({ code: "usage", message, hint });
    expect(catching(() => fill(template, values))).toMatchObject({ message, hint });
  });
});

function catching(call: () => unknown): unknown {
  try {
    call();
  } catch (thrown) {
    return thrown;
  }
  return undefined;
}

test("a variable that the server does not have is refused when it is asked for", () => {
  checkTemplate("{env.NONE}");
  expect(() => fill("{env.NONE}", values)).toThrow("the server's environment has no NONE");
});
