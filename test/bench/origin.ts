// The server behind all proxies: nginx with fixed bodies, started by `ten` as its instances and shared by the others.
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const CONFIG = (dir: string) => `
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 8192; }
http {
  access_log off;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=16 inactive=1h;
  keepalive_timeout 60s;
  keepalive_requests 1000000000;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen 127.0.0.1:@PORT@ backlog=4096;
    root ${dir};
    location = /health { return 200 "ok"; }
    location = /1k { return 200 "${"x".repeat(1_024)}"; }
  }
}
`;

const SCRIPT = (dir: string) =>
  `sed "s/@PORT@/$0/" '${dir}/origin.conf' > "$1/nginx.conf" && exec nginx -p "$1" -c "$1/nginx.conf"`;

/** The service `one` with two instances of the origin, as `tenement.toml`. `dir` must outlive them. */
export function originToml(dir: string): string {
  // Started by root, nginx reads its files as nobody.
  chmodSync(dir, 0o755);
  writeFileSync(join(dir, "origin.conf"), CONFIG(dir));
  writeFileSync(join(dir, "100k"), "x".repeat(102_400));
  writeFileSync(join(dir, "10m"), "x".repeat(10_485_760));
  return `
[service.one]
command = "/bin/sh"
args = ["-c", ${JSON.stringify(SCRIPT(dir))}, "{port}", "{instance_dir}"]
health = "/health"

[instances]
one = ["a", "b"]
`;
}
