import { describe, expect, test } from "bun:test";
import { APPS, startApp } from "./apps.ts";
import { lacks } from "./installed.ts";

const names = Object.keys(APPS) as (keyof typeof APPS)[];

for (const name of names)
  describe.skipIf(lacks(APPS[name][0]))(`the ${name} app`, () => {
    test("answers who it is, echoes, streams, and toggles its health", async () => {
      await using app = await startApp(name, { TEN_VERSION: "v1", TEN_INSTANCE: "api:v1" });
      const get = (path: string) => fetch(new URL(path, app.url));

      const self = await get("/");
      const about = { version: "v1", instance: "api:v1", pid: app.process.pid };
      expect(self.headers.get("content-type")).toStartWith("application/json");
      expect(await self.json()).toEqual(about);
      expect(await (await get("/slow?ms=20")).json()).toEqual(about);
      expect((await get("/missing")).status).toBe(404);

      expect(await (await get("/stream?chunks=3&ms=1")).text()).toBe("chunk 0\nchunk 1\nchunk 2\n");

      const echo = { method: "POST", headers: { "X-Test": "1" } };
      for (const body of ["hällo", new Response("hällo").body]) {
        const echoed = await fetch(new URL("/echo?a=b", app.url), { ...echo, body });
        expect(await echoed.json()).toMatchObject({
          method: "POST",
          path: "/echo?a=b",
          headers: { "x-test": "1", host: app.url.host },
          body: "hällo",
        });
      }

      expect((await get("/health")).status).toBe(200);
      expect(await (await get("/unhealthy")).json()).toEqual({ healthy: false });
      expect((await get("/health")).status).toBe(503);
      expect(await (await get("/unhealthy")).json()).toEqual({ healthy: true });
      expect((await get("/health")).status).toBe(200);
    });

    test("finishes what is in flight when it is told to stop", async () => {
      await using app = await startApp(name);
      await (await fetch(app.url)).text(); // leaves an idle connection open, which must not hold it up
      const slow = fetch(new URL("/slow?ms=200", app.url));
      const streaming = await fetch(new URL("/stream?chunks=4&ms=40", app.url));
      const reader = streaming.body?.getReader();
      await reader?.read(); // the slow one was sent long before this chunk came
      app.process.kill("SIGTERM");
      let rest = "";
      for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
        rest += new TextDecoder().decode(part.value);
      }
      expect(rest).toEndWith("chunk 3\n");
      expect((await slow).status).toBe(200);
      expect(await app.process.exited).toBe(0);
    });

    test("exits with 3 when it crashes", async () => {
      await using app = await startApp(name);
      await fetch(new URL("/crash", app.url)).catch(() => undefined);
      expect(await app.process.exited).toBe(3);
    });

    test("fails to start, stays unhealthy, or takes another port when told to", async () => {
      await expect(startApp(name, { FAIL_START: "1" })).rejects.toThrow("ended: FAIL_START is set\n");
      await using sick = await startApp(name, { NEVER_HEALTHY: "1" });
      expect((await fetch(new URL("/health", sick.url))).status).toBe(503);
      await using wrong = await startApp(name, { WRONG_PORT: "1", PORT: sick.url.port });
      expect(wrong.url.port).not.toBe(sick.url.port);
    });
  });
