// The app behind the memory trials: it sends without end, and it does not read what it is sent.
import { createServer, type Socket } from "node:net";

const BLOCK = Buffer.alloc(1024 * 1024, 120);
const SWITCHED =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const DOWNLOAD = "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n";

/** As much as is taken, and no more at a time: the backlog must not lie here. */
function pour(socket: Socket): void {
  const more = () => {
    while (!socket.destroyed && socket.write(BLOCK));
  };
  socket.on("drain", more);
  more();
}

function serve(socket: Socket, path: string): void {
  switch (path) {
    case "/ws-pours":
      socket.write(SWITCHED);
      pour(socket);
      break;
    case "/ws-deaf":
      socket.write(SWITCHED);
      socket.pause();
      break;
    case "/download":
      socket.write(DOWNLOAD);
      pour(socket);
      break;
    case "/deaf":
      socket.pause();
      break;
    default:
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  }
}

createServer((socket) => {
  let head = "";
  socket.on("error", () => {});
  socket.on("data", (bytes) => {
    if (head === "done") return;
    head += bytes.toString("latin1");
    const [, path] = /^[A-Z]+ (\S+) .*\r\n\r\n/s.exec(head) ?? [];
    if (path === undefined) return;
    head = path.startsWith("/ws") || path === "/deaf" ? "done" : "";
    serve(socket, path);
  });
}).listen(Number(process.argv[2]), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
