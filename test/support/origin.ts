// An HTTP origin in the process of the test, which can be taken away and brought back on its port.

export function startOrigin(answer: (request: Request) => Response | Promise<Response>) {
  const listen = (at: number) =>
    Bun.serve({ port: at, hostname: "127.0.0.1", reusePort: false, development: false, fetch: answer });
  let server = listen(0);
  const { port: bound } = server;
  return {
    url: `http://127.0.0.1:${bound}`,
    stop: () => server.stop(true),
    restart: () => {
      server = listen(bound ?? 0);
    },
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}
