// Releases in directories of their own, as a user has them: small apps with their version written into them.
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const PYTHON = `#!/usr/bin/env python3
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        body = b"release VERSION"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), App).serve_forever()
`;

const NODE = `#!/usr/bin/env node
const { createServer } = require("node:http");
const { HOST, PORT } = process.env;
createServer((_, response) => response.end("release VERSION")).listen(Number(PORT), HOST);
`;

const BUN = `const { HOST, PORT } = process.env;
Bun.serve({ port: Number(PORT), hostname: HOST, fetch: () => new Response("release VERSION") });
`;

/** An app as a file: its name, its source, and the command that runs it in its directory. */
export const RELEASES = {
  python: { file: "app.py", source: PYTHON, command: "python3 app.py" },
  node: { file: "server", source: NODE, command: "./server" },
  bun: { file: "app.ts", source: BUN, command: `'${process.execPath}' app.ts` },
} as const;

/** Writes an executable file into `releases/{version}`; VERSION in its source becomes the version. */
export function writeRelease(dir: string, version: string, file: string, source: string): void {
  const releaseDir = join(dir, "releases", version);
  mkdirSync(releaseDir, { recursive: true });
  writeFileSync(join(releaseDir, file), source.replaceAll("VERSION", version));
  chmodSync(join(releaseDir, file), 0o755);
}
