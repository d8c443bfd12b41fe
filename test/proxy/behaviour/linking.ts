// Links: who has one is kept on one target, and a version without traffic is seen by nobody else.
import { expect, test } from "bun:test";
import { hashOfLink } from "../../../src/proxy/front/link.ts";
import { type PlaneFactory, startPlane, type TestPlane } from "../../support/plane.ts";
import { route, target } from "../../support/routes.ts";
import { reply, wireOrigin } from "../../support/wire.ts";

const HOST = "api.example.com";

export function links(create: PlaneFactory): void {
  async function ask(front: TestPlane, host: string, path = "/", headers: Record<string, string> = {}) {
    const answer = await front.get(host, path, { headers });
    await answer.text();
    const { status } = answer;
    return { status, target: answer.headers.get("x-ten-instance"), headers: answer.headers };
  }

  async function start(expiresAt = Date.now() + 60_000) {
    const origin = wireOrigin((request) => reply(request, "ok"));
    const front = await startPlane(create);
    const targets = [
      target("api:v1", { address: origin.address }),
      target("api:v2", { weight: 0, address: origin.address }),
    ];
    const link = { hash: hashOfLink("secret"), label: "v2", expiresAt };
    const preview = { direct: "preview" } as const;
    const publish = (links: readonly (typeof link)[]) =>
      front.plane.publish([route("api", targets, { hosts: [HOST], policy: preview, links })]);
    await publish([link]);
    return {
      front,
      revoke: () => publish([]),
      async [Symbol.asyncDispose]() {
        await front[Symbol.asyncDispose]();
        origin[Symbol.dispose]();
      },
    };
  }

  test("a link gives a cookie, and takes itself out of the URL", async () => {
    await using started = await start();
    const { front } = started;
    const entered = await ask(front, HOST, "/items?a=1&ten-link=secret&b=2");
    expect([entered.status, entered.headers.get("location")]).toEqual([302, "/items?a=1&b=2"]);
    expect(entered.headers.get("set-cookie")).toMatch(
      /^ten-link-api=secret; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/,
    );
    const cookie = "seen=1; ten-link-api=secret";
    for (let i = 0; i < 3; i++)
      expect(await ask(front, HOST, "/", { cookie })).toMatchObject({ target: "api:v2" });
    expect(await ask(front, HOST)).toMatchObject({ target: "api:v1" });
    const posted = await front.get(HOST, "/?ten-link=secret", { method: "POST", body: "a=1" });
    expect([posted.status, posted.headers.get("location")]).toEqual([307, "/"]);
    const elsewhere = await ask(front, HOST, "/.//evil.com/?ten-link=secret");
    expect(elsewhere.headers.get("location")).toBe("/evil.com/");
  });

  test("a version without traffic is seen by its own host with the link alone", async () => {
    await using started = await start();
    const { front, revoke } = started;
    const own = `v2.${HOST}`;
    expect(await ask(front, own)).toMatchObject({ status: 404, target: null });
    expect(await ask(front, `v1.${HOST}`)).toMatchObject({ status: 200, target: "api:v1" });
    expect(await ask(front, own, "/?ten-link=secret")).toMatchObject({ status: 302 });
    const cookie = "ten-link-api=secret";
    expect(await ask(front, own, "/", { cookie })).toMatchObject({ status: 200, target: "api:v2" });
    await revoke();
    expect(await ask(front, own, "/", { cookie })).toMatchObject({ status: 404 });
    expect(await ask(front, HOST, "/", { cookie })).toMatchObject({ target: "api:v1" });
  });

  test("what is no link, or over, is as if it were not there", async () => {
    await using started = await start(Date.now() - 1);
    const { front } = started;
    for (const token of ["secret", "guess", ""]) {
      expect(await ask(front, HOST, `/?ten-link=${token}`)).toMatchObject({ status: 200, target: "api:v1" });
      const cookie = `ten-link-api=${token}`;
      expect(await ask(front, HOST, "/", { cookie })).toMatchObject({ target: "api:v1" });
      expect(await ask(front, `v2.${HOST}`, "/", { cookie })).toMatchObject({ status: 404 });
    }
  });
}
