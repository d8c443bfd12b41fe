// The app behind the large bodies, on raw sockets so that it reads and writes no faster than it should: `?slow` keeps a pace.
import { createReader, createWriter, FAST, SLOW, type Writer } from "./flow.ts";

interface Talk {
  head: string;
  received: number;
  announced: number;
  read: ((bytes: number) => void) | undefined;
  writer: Writer | undefined;
}

Bun.listen<Talk>({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  socket: {
    open(socket) {
      socket.data = { head: "", received: 0, announced: 0, read: undefined, writer: undefined };
    },
    data(socket, bytes) {
      const talk = socket.data;
      let fresh = bytes.byteLength;
      if (talk.read === undefined) {
        talk.head += bytes.toString("latin1");
        const end = talk.head.indexOf("\r\n\r\n");
        if (end < 0) return;
        const pace = talk.head.includes("?slow") ? SLOW : FAST;
        if (talk.head.startsWith("GET ")) {
          const total = Number(/[?&]bytes=(\d+)/.exec(talk.head)?.[1]);
          socket.write(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${total}\r\n\r\n`);
          talk.writer = createWriter(socket, total, pace);
          return;
        }
        talk.announced = Number(/content-length: (\d+)/i.exec(talk.head)?.[1]);
        talk.read = createReader(socket, pace);
        fresh = talk.head.length - end - 4;
      }
      talk.received += fresh;
      talk.read(fresh);
      if (talk.received < talk.announced) return;
      const text = String(talk.received);
      socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
    },
    drain: (socket) => socket.data.writer?.drained(),
  },
});
