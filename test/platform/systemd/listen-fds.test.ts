// Sockets that systemd passes: those of a socket unit, and what it kept from a former run.
import { describe, expect, test } from "bun:test";
import { closeSync } from "node:fs";
import { join } from "node:path";
import { canShareSockets, openListeningSocket } from "../../../src/platform/net/listening-socket.ts";
import { keepInStore, passedSockets } from "../../../src/platform/systemd/listen-fds.ts";
import { createNotifier } from "../../../src/platform/systemd/notify.ts";
import { receiveDatagrams } from "../../support/datagrams.ts";
import { createTempDir } from "../../support/temp-dir.ts";

const MODULE = join(import.meta.dir, "../../../src/platform/systemd/listen-fds.ts");

/** What a process finds that is started with these descriptors from 3 on. */
async function startedWith(
  descriptors: readonly number[],
  names: string,
  pid?: string,
  httpsPort?: number,
): Promise<string> {
  const script = `
    const { passedSockets } = await import(${JSON.stringify(MODULE)});
    try {
      const env = { ...process.env, LISTEN_PID: ${JSON.stringify(pid)} ?? String(process.pid) };
      const { unit, httpsUnit, kept } = passedSockets(env, { httpsPort: ${httpsPort} });
      console.log(JSON.stringify({
        unit: unit?.address.port,
        https: httpsUnit?.address.port,
        kept: kept.map(({ address }) => address.port),
      }));
    } catch (thrown) { console.log(thrown.code + ": " + thrown.message + "; " + thrown.hint); }
  `;
  const child = Bun.spawn([process.execPath, "-e", script], {
    stdio: ["ignore", "pipe", "inherit", ...descriptors],
    env: { ...process.env, LISTEN_FDS: String(descriptors.length), LISTEN_FDNAMES: names },
  });
  await child.exited;
  return (await child.stdout.text()).trim();
}

describe.skipIf(!canShareSockets())("what systemd passes", () => {
  test("is the socket of a unit, and what was kept", async () => {
    using unit = openListeningSocket({ host: "127.0.0.1", port: 0 });
    using kept = openListeningSocket({ host: "127.0.0.1", port: 0 });
    const found = await startedWith([unit.descriptor, kept.descriptor], "ten.socket:visitors");
    expect(JSON.parse(found)).toEqual({ unit: unit.address.port, kept: [kept.address.port] });
  });

  test("is a second one for https, by its name or its port, and by neither without https", async () => {
    using one = openListeningSocket({ host: "127.0.0.1", port: 0 });
    using two = openListeningSocket({ host: "127.0.0.1", port: 0 });
    const { port } = two.address;
    const both = [one.descriptor, two.descriptor];
    const found = { unit: one.address.port, https: port, kept: [] };
    expect(JSON.parse(await startedWith(both, "ten.socket:ten.socket", undefined, port))).toEqual(found);
    expect(JSON.parse(await startedWith(both, "ten.socket:https", undefined, 443))).toEqual(found);
    expect(await startedWith(both, "ten.socket:https")).toStartWith("usage: systemd passed 2 sockets");
  });

  test("is not ours when it was meant for another process, and nothing when it says nothing", async () => {
    using unit = openListeningSocket({ host: "127.0.0.1", port: 0 });
    expect(JSON.parse(await startedWith([unit.descriptor], "ten.socket", "1"))).toEqual({ kept: [] });
    for (const LISTEN_FDS of [undefined, "", "0", "-1", "x"])
      expect(passedSockets({ LISTEN_PID: String(process.pid), LISTEN_FDS })).toEqual({
        unit: undefined,
        kept: [],
      });
  });

  test("is refused when it is a connection, a unix socket or several sockets", async () => {
    using one = openListeningSocket({ host: "127.0.0.1", port: 0 });
    using two = openListeningSocket({ host: "127.0.0.1", port: 0 });
    expect(await startedWith([one.descriptor, two.descriptor], "a:b")).toStartWith(
      "usage: systemd passed 2 sockets; leave one ListenStream=",
    );
    const client = await Bun.connect({
      hostname: "127.0.0.1",
      port: one.address.port,
      socket: { data() {} },
    });
    const { fd } = client as unknown as { fd: number };
    expect(await startedWith([fd], "connection")).toStartWith(
      "usage: what systemd passed as connection is no TCP socket that listens; in the socket unit, write Accept=no",
    );
    client.terminate();
    using dir = createTempDir();
    const unix = Bun.listen({ unix: dir.file("u"), socket: { data() {} } });
    expect(await startedWith([(unix as unknown as { fd: number }).fd], "")).toStartWith(
      "usage: what systemd passed is no TCP socket",
    );
    unix.stop(true);
  });

  test("is kept no longer when nobody listens on it any more", async () => {
    using dir = createTempDir();
    using manager = receiveDatagrams(dir.file("notify"));
    using one = openListeningSocket({ host: "127.0.0.1", port: 0 });
    using two = openListeningSocket({ host: "127.0.0.1", port: 0 });
    const notifier = createNotifier(dir.file("notify"));
    keepInStore(notifier, [one, two], { unit: undefined, httpsUnit: undefined, kept: [one, two] });
    keepInStore(notifier, [one], { unit: undefined, httpsUnit: undefined, kept: [one, two] });
    expect(await manager.next()).toBe("FDSTOREREMOVE=1\nFDNAME=visitors\n");
    const { descriptor, message } = await manager.nextPassed();
    closeSync(descriptor);
    expect(message).toBe("FDSTORE=1\nFDNAME=visitors\n");
  });

  test("can be what we gave it to keep, until it is told to forget it", async () => {
    using dir = createTempDir();
    using manager = receiveDatagrams(dir.file("notify"));
    using socket = openListeningSocket({ host: "127.0.0.1", port: 0 });
    const notifier = createNotifier(dir.file("notify"));
    notifier.keep(socket.descriptor, "visitors");
    const { descriptor, message } = await manager.nextPassed();
    expect(message).toBe("FDSTORE=1\nFDNAME=visitors\n");
    expect(JSON.parse(await startedWith([descriptor], "visitors"))).toEqual({ kept: [socket.address.port] });
    closeSync(descriptor);
    notifier.forget("visitors");
    expect(await manager.next()).toBe("FDSTOREREMOVE=1\nFDNAME=visitors\n");
  });
});
