// An object store of a set-up's own, as much of S3 as Litestream asks for; on real machines it is Tigris, R2 or S3.
// (Of those in npm s3rver 3.7 and its fork do not list prefixes as Litestream asks; fauxqs does, on all interfaces and with 79 packages.)

interface Kept {
  readonly bytes: Uint8Array;
  readonly at: string;
}

export interface Bucket extends AsyncDisposable {
  readonly url: string;
  readonly name: string;
  /** Nobody reaches it while it is away. */
  setAway(isAway: boolean): void;
}

const NAME = "backups";

export function startBucket(): Bucket {
  const objects = new Map<string, Kept>();
  let isAway = false;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    reusePort: false,
    development: false,
    async fetch(request) {
      if (isAway) return new Response(null, { status: 503 });
      const { pathname, searchParams } = new URL(request.url);
      const key = decodeURIComponent(pathname).slice(`/${NAME}/`.length);
      if (key === "" && request.method === "POST") return removeMany(objects, await request.text());
      if (key === "") return list(objects, searchParams);
      switch (request.method) {
        case "PUT":
          objects.set(key, { bytes: await request.bytes(), at: new Date().toISOString() });
          return new Response(null, { headers: { ETag: '"kept"' } });
        case "DELETE":
          objects.delete(key);
          return new Response(null, { status: 204 });
        default:
          return answer(objects.get(key), request.method);
      }
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    name: NAME,
    setAway(away) {
      isAway = away;
    },
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

function answer(kept: Kept | undefined, method: string): Response {
  if (kept === undefined) return xml("<Error><Code>NoSuchKey</Code></Error>", 404);
  const headers = { "Last-Modified": new Date(kept.at).toUTCString(), ETag: '"kept"' };
  return new Response(method === "HEAD" ? null : kept.bytes, { headers });
}

/** Keys with the prefix; those with the delimiter behind it are told as one. */
function list(objects: ReadonlyMap<string, Kept>, query: URLSearchParams): Response {
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const folders = new Set<string>();
  const files: string[] = [];
  for (const [key, { bytes, at }] of [...objects].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!key.startsWith(prefix)) continue;
    const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    if (end >= 0) folders.add(key.slice(0, end + delimiter.length));
    else
      files.push(
        `<Contents><Key>${key}</Key><LastModified>${at}</LastModified><ETag>"kept"</ETag><Size>${bytes.length}</Size></Contents>`,
      );
  }
  const common = [...folders].map((folder) => `<CommonPrefixes><Prefix>${folder}</Prefix></CommonPrefixes>`);
  const parts = [`<Name>${NAME}</Name><Prefix>${prefix}</Prefix>`, ...files, ...common];
  return xml(`<ListBucketResult>${parts.join("")}<IsTruncated>false</IsTruncated></ListBucketResult>`);
}

function removeMany(objects: Map<string, Kept>, body: string): Response {
  for (const [, key] of body.matchAll(/<Key>([^<]+)<\/Key>/g)) objects.delete(key ?? "");
  return xml("<DeleteResult/>");
}

function xml(body: string, status = 200): Response {
  const headers = { "Content-Type": "application/xml" };
  return new Response(`<?xml version="1.0" encoding="UTF-8"?>${body}`, { status, headers });
}
