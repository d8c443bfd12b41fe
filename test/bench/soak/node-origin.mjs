// A Node backend as most are: it closes idle connections after its default of 5 seconds. Its log says which POSTs it has seen.
import { createServer } from "node:http";

createServer((request, response) => {
  let body = "";
  request.on("data", (bytes) => {
    body += bytes;
  });
  request.on("end", () => {
    if (request.method === "POST") process.stdout.write(`seen ${body}\n`);
    response.end("ok");
  });
}).listen(Number(process.argv[2]), "127.0.0.1");
