// What the service manager that started us is told, over a real datagram socket.
import { expect, test } from "bun:test";
import { createNotifier } from "../../../src/platform/systemd/notify.ts";
import { receiveDatagrams } from "../../support/datagrams.ts";
import { createTempDir } from "../../support/temp-dir.ts";

const uptimeUsec = async () => Number.parseFloat(await Bun.file("/proc/uptime").text()) * 1e6;

test.skipIf(process.platform !== "linux").each(["path", "abstract"])(
  "a manager at a %s socket hears of the start, a reload and the end",
  async (kind) => {
    using dir = createTempDir();
    const name = kind === "path" ? dir.file("notify") : `@${dir.path}`;
    using manager = receiveDatagrams(name);
    const notifier = createNotifier(name);
    notifier.ready();
    expect(await manager.next()).toBe("READY=1\n");
    notifier.reloading();
    const [, usec] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)\n$/.exec(await manager.next()) ?? [];
    expect(Math.abs(Number(usec) - (await uptimeUsec()))).toBeLessThan(5e6);
    notifier.stopping();
    expect(await manager.next()).toBe("STOPPING=1\n");
    notifier.stopping(50_000.5);
    expect(await manager.next()).toBe("STOPPING=1\nEXTEND_TIMEOUT_USEC=50000500\n");
  },
);

test("a manager that is gone, or none, is no error", () => {
  for (const socket of [undefined, "/nonexistent/notify", "@nobody-listens-here", "vsock:2:1234"])
    createNotifier(socket).ready();
});
