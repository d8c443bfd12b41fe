# The test app in Python; app.mjs and app.ts behave alike.
import json, os, signal, socketserver, sys, threading, time
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

env = os.environ
if env.get("FAIL_START") == "1":
    sys.exit("FAIL_START is set")  # to stderr, exit code 1
healthy = env.get("NEVER_HEALTHY") != "1"
stopping = False
in_flight = 0
changed = threading.Condition()


def about():
    return {"version": env.get("TEN_VERSION"), "instance": env.get("TEN_INSTANCE"), "pid": os.getpid()}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self, status, body):
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if body.startswith("{") else "text/plain")
        self.send_header("Content-Length", str(len(data)))
        if stopping:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return data

    def stream(self, chunks, ms):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(chunks):
            time.sleep(ms / 1000)
            data = f"chunk {number}\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")

    def route(self):
        global healthy
        url = urlsplit(self.path)
        query = {key: int(values[0]) for key, values in parse_qs(url.query).items() if values[0].isdigit()}
        body = self.body()
        if url.path == "/":
            self.answer(200, json.dumps(about()))
        elif url.path == "/health":
            self.answer(200 if healthy else 503, "ok" if healthy else "unhealthy")
        elif url.path == "/slow":
            time.sleep(query.get("ms", 1000) / 1000)
            self.answer(200, json.dumps(about()))
        elif url.path == "/stream":
            self.stream(query.get("chunks", 10), query.get("ms", 100))
        elif url.path == "/echo":
            headers = {name.lower(): value for name, value in self.headers.items()}
            echo = {"method": self.command, "path": self.path, "headers": headers, "body": body.decode()}
            self.answer(200, json.dumps(echo))
        elif url.path == "/crash":
            os._exit(3)
        elif url.path == "/unhealthy":
            healthy = not healthy
            self.answer(200, json.dumps({"healthy": healthy}))
        else:
            self.answer(404, "not found")

    def counted(self):
        global in_flight
        with changed:
            in_flight += 1
        try:
            self.route()
        except OSError:
            self.close_connection = True
        finally:
            with changed:
                in_flight -= 1
                changed.notify_all()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = counted

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 512


def stop(*_):
    global stopping
    stopping = True
    threading.Thread(target=server.shutdown).start()


port = 0 if env.get("WRONG_PORT") == "1" else int(env.get("PORT", "0"))
server = Server((env.get("HOST", "127.0.0.1"), port), Handler)
signal.signal(signal.SIGTERM, stop)
print("listening on %s:%d" % server.server_address, flush=True)
server.serve_forever(poll_interval=0.05)
server.server_close()
with changed:
    changed.wait_for(lambda: in_flight == 0)
os._exit(0)
