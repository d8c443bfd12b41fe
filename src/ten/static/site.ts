// A site of plain files, as an app for ten: GET and HEAD, index.html, ranges, 304; nothing outside of its directory, nothing hidden.
import { realpathSync, type Stats, statSync } from "node:fs";
import { join, sep } from "node:path";

export interface SiteOptions {
  /** Absolute. */
  readonly root: string;
  /** Paths that are no files get index.html, as apps of one page want it. */
  readonly isOnePage: boolean;
}

interface Found {
  readonly path: string;
  readonly stats: Stats;
}

/** Answers requests for the files below `root`; a file's name decides its type. */
export function createSite({ root, isOnePage }: SiteOptions): (request: Request) => Response {
  const base = realpathSync(root);

  /** The file of a path, or the directory; undefined where there is none, or none that is to be seen. */
  function find(pathname: string): Found | undefined {
    try {
      const names = decodeURIComponent(pathname).split("/").filter(Boolean);
      const isHidden = names.some((name) => name.startsWith(".") && name !== ".well-known");
      if (isHidden || names.some((name) => /[\0\\]/.test(name))) return undefined;
      const path = realpathSync(join(base, ...names));
      if (path !== base && !path.startsWith(base === sep ? sep : base + sep)) return undefined;
      return { path, stats: statSync(path) };
    } catch {
      return undefined;
    }
  }

  function file(found: Found | undefined): Found | undefined {
    return found?.stats.isFile() ? found : undefined;
  }

  return (request) => {
    if (request.method !== "GET" && request.method !== "HEAD")
      return new Response("only GET and HEAD\n", { status: 405, headers: { Allow: "GET, HEAD" } });
    const url = new URL(request.url);
    const found = find(url.pathname);
    if (found?.stats.isDirectory() && !url.pathname.endsWith("/"))
      return redirect(`${url.pathname.replace(/^\/+/, "/")}/${url.search}`);
    const page = found?.stats.isDirectory() ? file(find(`${url.pathname}index.html`)) : undefined;
    const plain = url.pathname.endsWith("/")
      ? undefined
      : (file(found) ?? file(find(`${url.pathname}.html`)));
    const wanted = page ?? plain ?? (isOnePage && isPage(request) ? file(find("/index.html")) : undefined);
    if (wanted !== undefined) return send(request, wanted, 200);
    const missing = file(find("/404.html"));
    return missing === undefined
      ? new Response("not found\n", { status: 404 })
      : send(new Request(request.url, { method: request.method }), missing, 404);
  };
}

/** A browser that opens a page, not a script or an image of one. */
function isPage(request: Request): boolean {
  return (request.headers.get("accept") ?? "").includes("text/html");
}

function redirect(location: string): Response {
  return new Response(null, { status: 301, headers: { Location: location } });
}

/** RFC 9110, sections 13 and 14: conditional requests and single ranges; of several the whole is sent. */
function send(request: Request, { path, stats }: Found, status: number): Response {
  const etag = `W/"${stats.size.toString(36)}-${Math.trunc(stats.mtimeMs).toString(36)}"`;
  const headers = new Headers({
    ETag: etag,
    "Last-Modified": stats.mtime.toUTCString(),
    "Cache-Control": "no-cache",
    "Accept-Ranges": "bytes",
    "X-Content-Type-Options": "nosniff",
  });
  if (status === 200 && isKnown(request, etag, stats)) return new Response(null, { status: 304, headers });
  const content = Bun.file(path);
  headers.set("Content-Type", content.type);
  const range = status === 200 ? rangeOf(request, stats) : undefined;
  if (range === "none") {
    headers.set("Content-Range", `bytes */${stats.size}`);
    return new Response(null, { status: 416, headers });
  }
  const [first, last] = range ?? [0, stats.size - 1];
  if (range !== undefined) headers.set("Content-Range", `bytes ${first}-${last}/${stats.size}`);
  headers.set("Content-Length", String(last - first + 1));
  const body =
    request.method === "HEAD" ? null : range === undefined ? content : content.slice(first, last + 1);
  return new Response(body, { status: range === undefined ? status : 206, headers });
}

function isKnown(request: Request, etag: string, { mtimeMs }: Stats): boolean {
  const tags = request.headers.get("if-none-match");
  if (tags !== null) return tags === "*" || tags.split(/\s*,\s*/).includes(etag);
  const since = Date.parse(request.headers.get("if-modified-since") ?? "");
  return Math.trunc(mtimeMs / 1000) * 1000 <= since;
}

/** The bytes that are asked for, both ends included; undefined: all of them. A weak tag or an older date asks for all. */
function rangeOf(request: Request, { size, mtimeMs }: Stats): readonly [number, number] | "none" | undefined {
  const [, from = "", to = ""] = /^bytes=(\d*)-(\d*)$/.exec(request.headers.get("range") ?? "") ?? [];
  if (from === "" && to === "") return undefined;
  const only = request.headers.get("if-range");
  if (only !== null && Date.parse(only) !== Math.trunc(mtimeMs / 1000) * 1000) return undefined;
  const first = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  return first > last || first >= size ? "none" : [first, last];
}
