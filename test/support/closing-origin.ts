// A server in a process of its own that answers the first request of each connection and closes it 20 ms later.
export {};

const listener = Bun.listen({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    data(socket) {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      setTimeout(() => socket.end(), 20);
    },
  },
});
process.stdout.write(String(listener.port));
