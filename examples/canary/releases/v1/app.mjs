// Version 1 of the API.
import { createServer } from "node:http";

const { HOST, PORT, TEN_VERSION } = process.env;
createServer((_, response) => response.end(`${TEN_VERSION}\n`)).listen(Number(PORT), HOST);
