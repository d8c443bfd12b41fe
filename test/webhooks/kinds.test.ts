// The forms of messages: what each kind of receiver is sent of one message.
import { describe, expect, test } from "bun:test";
import { Webhook } from "standardwebhooks";
import { ALERT_TYPES as SLUM_TYPES } from "../../src/slum/webhooks/alerts.ts";
import { ALERT_TYPES } from "../../src/ten/registry/alert-kinds.ts";
import { type KINDS, render } from "../../src/webhooks/kinds.ts";
import { newSecret } from "../../src/webhooks/signature.ts";

const secret = newSecret();
const send = (kind: (typeof KINDS)[number], text: string, type = "instance.failed") => {
  const body = JSON.stringify({ type, timestamp: "2026-01-01T00:00:00.000Z", text, data: {} });
  const timestampSecs = Math.floor(Date.now() / 1000);
  return render(kind, { id: "msg_1", timestampSecs, body, source: "ten example.com" }, [secret]);
};

describe("a message", () => {
  test("is signed JSON for standard receivers, which an independent library takes", () => {
    const { body, headers, contentType } = send("standard", "api:v1 has failed");
    expect(contentType).toBe("application/json");
    expect(new Webhook(secret).verify(body, Object.fromEntries(headers))).toMatchObject({
      type: "instance.failed",
      text: "api:v1 has failed",
    });
  });

  test("is a text for Slack, in which what an app has printed is no markup", () => {
    const { body, headers } = send("slack", "api:v1 has failed: <!channel> & <http://evil|x>");
    expect(JSON.parse(body).text).toBe(
      "*instance.failed* [ten example.com] api:v1 has failed: &lt;!channel&gt; &amp; &lt;http://evil|x&gt;",
    );
    expect(headers).toEqual([]);
  });

  test("is content for Discord, of at most 2,000 characters, that calls nobody", () => {
    const { body } = send("discord", `@everyone ${"x".repeat(5_000)}`);
    const { content, allowed_mentions } = JSON.parse(body);
    expect(content).toStartWith("**instance.failed** [ten example.com] @everyone xxx");
    expect(content.length).toBe(2_000);
    expect(allowed_mentions).toEqual({ parse: [] });
  });

  test("shows what a link of an app leads to, and no picture of it", () => {
    const { content, flags } = JSON.parse(send("discord", "[log in](https://evil.example)").body);
    expect([content, flags]).toEqual([
      "**instance.failed** [ten example.com] [log in]\\(https://evil.example)",
      4,
    ]);
    expect(JSON.parse(send("slack", "x").body)).toMatchObject({ unfurl_links: false, unfurl_media: false });
  });

  test("is cut between two characters, and never within one", () => {
    for (const kind of ["slack", "discord", "ntfy"] as const)
      for (let shift = 0; shift < 4; shift++) {
        const { body } = send(kind, "x".repeat(shift) + "\u{1f525}".repeat(3_000));
        expect(body.includes("\ufffd") || /\\ud83d(?!\\u)/.test(body) || !body.isWellFormed()).toBe(false);
        expect(body).toContain("\u{1f525}...");
      }
    const { body } = send("ntfy", "\u{1f525}".repeat(3_000));
    // What is longer is shown as a file.
    expect(Buffer.byteLength(body)).toBeLessThanOrEqual(4_096);
  });

  test("is plain text for ntfy, with a title, a tag and a priority by whether it is trouble", () => {
    const bad = send("ntfy", "api:v1 has failed");
    expect(bad.body).toBe("api:v1 has failed");
    expect(Object.fromEntries(bad.headers)).toEqual({
      Title: "instance.failed (ten example.com)",
      Tags: "warning",
      Priority: "high",
    });
    expect(Object.fromEntries(send("ntfy", "again", "instance.recovered").headers)).toMatchObject({
      Tags: "white_check_mark",
      Priority: "default",
    });
  });

  test("is a call at night only where somebody has to see to it", () => {
    const types = [...ALERT_TYPES, ...SLUM_TYPES, "webhook.test"];
    const calls = types.filter((type) =>
      send("ntfy", "x", type).headers.some(([name, value]) => name === "Priority" && value === "high"),
    );
    expect(new Set(calls)).toEqual(
      new Set([
        ...["instance.failed", "service.unroutable", "deploy.failed", "disk.low", "certificate.expiring"],
        ...["rollout.held", "rollout.rolled_back", "canary.forgotten"],
        ...["server.offline", "fleet.down", "tenants.unroutable"],
      ]),
    );
  });

  test("that waits since an earlier version has no text, and is shown all the same", () => {
    const body = JSON.stringify({ type: "server.offline", timestamp: "", data: { server: "iad" } });
    const outgoing = { id: "m", timestampSecs: 1, body, source: "slum s" };
    expect(JSON.parse(render("slack", outgoing, []).body).text).toContain('{"server":"iad"}');
  });
});
