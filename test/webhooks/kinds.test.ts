// The forms of messages: what each kind of receiver is sent of one message.
import { describe, expect, test } from "bun:test";
import { Webhook } from "standardwebhooks";
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

  test("that waits since an earlier version has no text, and is shown all the same", () => {
    const body = JSON.stringify({ type: "server.offline", timestamp: "", data: { server: "iad" } });
    const outgoing = { id: "m", timestampSecs: 1, body, source: "slum s" };
    expect(JSON.parse(render("slack", outgoing, []).body).text).toContain('{"server":"iad"}');
  });
});
