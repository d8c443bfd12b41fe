// Which fields traceparent may go on: the cases of the W3C's own test suite (trace-context, test/test.py), and what becomes of a request.
import { describe, expect, test } from "bun:test";
import { readRequestHead } from "../../src/core/http1/request-head.ts";
import { RequestRules } from "../../src/core/http1/request-rules.ts";
import { traceOf, traceparent } from "../../src/core/trace-context.ts";
import { Traces } from "../../src/proxy/front/traces.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

const TAKEN = [
  `00-${TRACE}-${SPAN}-01`,
  `00-${TRACE}-${SPAN}-00`,
  // Flags that mean nothing yet.
  `00-${TRACE}-${SPAN}-fe`,
  // Versions to come.
  `cc-${TRACE}-${SPAN}-01`,
  `cc-${TRACE}-${SPAN}-01-what-the-future-will-be-like`,
  `cc-${TRACE}-${SPAN}-01-`,
];

const REFUSED = [
  "",
  "nonsense",
  `ff-${TRACE}-${SPAN}-01`,
  `cc-${TRACE}-${SPAN}-01.what-the-future-will-not-be-like`,
  `00-${TRACE}-${SPAN}-01-what-the-future-will-be-like`,
  `00-${TRACE}-${SPAN}-01-`,
  `0-${TRACE}-${SPAN}-01`,
  `000-${TRACE}-${SPAN}-01`,
  `.0-${TRACE}-${SPAN}-01`,
  `CC-${TRACE}-${SPAN}-01`,
  `00-${"0".repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${"0".repeat(16)}-01`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `00-${TRACE}-${SPAN.toUpperCase()}-01`,
  `00-${TRACE.slice(1)}-${SPAN}-01`,
  `00-${TRACE}0-${SPAN}-01`,
  `00-${TRACE.slice(1)}.-${SPAN}-01`,
  `00-${TRACE}-${SPAN.slice(1)}-01`,
  `00-${TRACE}-${SPAN}0-01`,
  `00-${TRACE}-${SPAN}-1`,
  `00-${TRACE}-${SPAN}-001`,
  `00-${TRACE}-${SPAN}-.0`,
  `00-${TRACE}-${SPAN}`,
  `00-${TRACE}-${SPAN}-01,00-${TRACE}-${SPAN}-01`,
];

describe("a traceparent", () => {
  test.each(TAKEN)("%s goes on", (value) => expect(traceOf(value)).toEqual({ traceId: TRACE, spanId: SPAN }));
  test.each(REFUSED)("%p is none", (value) => expect(traceOf(value)).toBeUndefined());
  test("that is made here is sampled", () => {
    expect(traceparent(TRACE, SPAN)).toBe(`00-${TRACE}-${SPAN}-01`);
    expect(traceOf(traceparent(TRACE, SPAN))).toBeDefined();
  });
});

describe("a request of a service with traces", () => {
  const rules = new RequestRules({ passed: "x-passed", overwritten: [], claims: "none" });
  /** What an app would get of it. */
  const passed = (...fields: string[]) => {
    const text = ["GET / HTTP/1.1", "Host: h", ...fields, "", ""].join("\r\n");
    const head = readRequestHead(Buffer.from(text, "latin1"), text.length, rules);
    const added = new Traces().added(head, "X: y\r\n\r\n");
    const to = Buffer.alloc(65_536);
    return to.toString("latin1", 0, head.write(to, 0)) + added;
  };
  const named = (text: string, name: string) =>
    text.split("\r\n").filter((line) => line.toLowerCase().startsWith(`${name}:`));

  test.each(TAKEN)("keeps %s, and all of its tracestate", (value) => {
    const text = passed(`TraceParent: ${value}`, "tracestate: a=1", "TraceState: b=2");
    expect(named(text, "traceparent")).toEqual([`TraceParent: ${value}`]);
    expect(named(text, "tracestate").length).toBe(2);
  });

  test.each([
    ...REFUSED.map((value) => [`traceparent: ${value}`]),
    [],
    // More than one is none (section 3.2): nobody knows which was meant.
    [`traceparent: ${TAKEN[0]}`, `traceparent: ${TAKEN[1]}`],
    [`traceparent: ${TAKEN[0]}`, `Traceparent: ${TAKEN[0]}`],
  ])("gets a new one in place of %p %p, without the tracestate of another", (...fields) => {
    const text = passed(
      ...fields.filter((field) => field !== undefined),
      "tracestate: a=1",
      "Tracestate: b=2",
    );
    expect(named(text, "traceparent")).toEqual([
      expect.stringMatching(/^traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01$/),
    ]);
    expect(text).not.toContain(TRACE);
    expect(named(text, "tracestate")).toEqual([]);
  });
});
