// Programs that people really use, each against the compiled binary: what the wire must be good for.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hasChromium, startChromium } from "../support/chromium.ts";
import { createTempDir, type TempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { startTen, type Ten, untilState } from "./ten.ts";

setDefaultTimeout(180_000);

const APP = join(import.meta.dir, "../support/apps/clients.mjs");
const APACHE_MODULES = "/usr/lib/apache2/modules";
const GIT_BACKEND = "/usr/lib/git-core/git-http-backend";
const has = (...programs: string[]) => programs.every((program) => Bun.which(program) !== null);
const hasModules = (...names: string[]) =>
  names.every((name) => existsSync(`${APACHE_MODULES}/mod_${name}.so`));
const hasGit = has("git", "apache2") && hasModules("cgid", "env") && existsSync(GIT_BACKEND);
const hasSvn = has("svn", "svnadmin", "apache2") && hasModules("dav", "dav_svn");

interface Said {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

let temp: TempDir;
beforeAll(() => {
  temp = createTempDir();
});
afterAll(() => temp[Symbol.dispose]());

async function run(words: readonly string[], input?: string | Uint8Array, cwd = temp.path): Promise<Said> {
  const child = Bun.spawn([...words], {
    cwd,
    stdin: input === undefined ? "ignore" : Buffer.from(input),
    stdout: "pipe",
    stderr: "pipe",
    env: { PATH: process.env.PATH, HOME: temp.path, LC_ALL: "C", GIT_TERMINAL_PROMPT: "0" },
  });
  const [stdout, stderr, exit] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { exit, stdout, stderr };
}

async function ok(words: readonly string[], input?: string | Uint8Array, cwd?: string): Promise<string> {
  const { exit, stdout, stderr } = await run(words, input, cwd);
  if (exit !== 0) throw new Error(`${words.join(" ")} exited ${exit}: ${stderr}${stdout}`);
  return stdout + stderr;
}

/** One service that has the own hosts too, so that clients need no name. */
async function serving(command: string, service = ""): Promise<Ten> {
  const toml = `[routing]\ndefault = "app"\n[service.app]\ncommand = ${JSON.stringify(command)}\n${service}\n`;
  const ten = await startTen({ toml });
  await ten.ok("deploy", "app:v1");
  await untilState(ten, "app:v1", "healthy");
  return ten;
}

describe("an app on node", () => {
  let ten: Ten;
  let url: string;
  beforeAll(async () => {
    ten = await serving(`node '${APP}'`, 'health = "/health"');
    url = `http://127.0.0.1:${ten.port}`;
  });
  afterAll(() => ten[Symbol.asyncDispose]());

  describe.skipIf(!has("curl"))("curl (skipped where it is missing)", () => {
    test("HTTP/1.0, HEAD, GET with a body, and a path as it is", async () => {
      expect(await ok(["curl", "-sS", "--http1.0", `${url}/page`])).toContain("<title>page</title>");
      expect(await ok(["curl", "-sS", "-I", `${url}/megabyte`])).toMatch(/content-length: 1000000/i);
      const searched = JSON.parse(await ok(["curl", "-sS", "-XGET", "-d", '{"q":1}', `${url}/_search`]));
      expect([searched.method, searched.text]).toEqual(["GET", '{"q":1}']);
      const kept = JSON.parse(await ok(["curl", "-sS", "--path-as-is", `${url}/a/../d?x='1'`]));
      expect(kept.url).toBe("/a/../d?x='1'");
    });

    test("100-continue: the body is sent when the app says so, and never when it refuses", async () => {
      const big = "x".repeat(2_000_000);
      const words = ["curl", "-sS", "-v", "-H", "Expect: 100-continue", "--data-binary", "@-"];
      const taken = await run([...words, `${url}/echo`], big);
      expect(taken.stderr).toContain("< HTTP/1.1 100 Continue");
      expect(JSON.parse(taken.stdout).length).toBe(big.length);
      const refused = await run([...words, `${url}/refuse`], big);
      expect([refused.exit, refused.stdout]).toEqual([0, "too much"]);
      expect(refused.stderr).not.toContain("100 Continue");
    });

    test("a chunked upload, and trailers", async () => {
      const body = "y".repeat(300_000);
      const seen = JSON.parse(await ok(["curl", "-sS", "-T", "-", `${url}/echo`], body));
      expect([seen.method, seen.length]).toEqual(["PUT", body.length]);
      expect(await ok(["curl", "-sS", "-D", "-", "-H", "TE: trailers", `${url}/trailers`])).toMatch(
        /X-Sum: 42/i,
      );
    });

    test("hints before the answer, and two ways to log in, each apart", async () => {
      expect(await ok(["curl", "-sS", "-i", `${url}/hints`])).toMatch(
        /HTTP\/1.1 103 .*rel=preload.*HTTP\/1.1 102 .*HTTP\/1.1 200 /s,
      );
      const shown = await ok(["curl", "-sS", "-i", `${url}/challenge`]);
      expect(shown).toContain('WWW-Authenticate: Negotiate\r\nWWW-Authenticate: Basic realm="here"\r\n');
    });
  });

  test.skipIf(!has("wget"))(
    "wget knows how much is to come, and logs in (skipped where it is missing)",
    async () => {
      expect(await ok(["wget", "-O", "/dev/null", `${url}/megabyte`])).toContain("Length: 1000000 (977K)");
      const login = ["--auth-no-challenge=off", "--user=user", "--password=pass"];
      expect(await ok(["wget", "-q", "-O", "-", ...login, `${url}/challenge`])).toBe("hello user");
    },
  );

  test.skipIf(!has("ab"))("ab -k keeps its connections (skipped where it is missing)", async () => {
    const said = await ok(["ab", "-k", "-n", "500", "-c", "4", `${url}/page`]);
    expect(said).toMatch(/Complete requests: +500/);
    expect(said).toMatch(/Failed requests: +0/);
    expect(said).toMatch(/Keep-Alive requests: +500/);
  });

  test("node: fetch, an agent that keeps connections, a body of GET, hints, trailers both ways", async () => {
    const script = `
      import http from "node:http";
      const url = ${JSON.stringify(url)};
      const posts = await Promise.all(Array.from({ length: 200 }, async (_, at) => {
        const answer = await fetch(url + "/echo", { method: "POST", body: String(at), duplex: "half" });
        return (await answer.json()).text === String(at);
      }));
      const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
      const ask = (path, options, body) => new Promise((resolve, reject) => {
        const infos = [];
        const request = http.request(url + path, { agent, ...options }, (answer) => {
          let text = "";
          answer.on("data", (bytes) => { text += bytes; });
          answer.on("end", () => resolve({ text, infos, trailers: answer.trailers, headers: answer.headers, raw: answer.rawHeaders }));
        });
        request.on("information", ({ statusCode }) => infos.push(statusCode));
        request.on("error", reject);
        if (options.trailers) request.addTrailers(options.trailers);
        request.end(body);
      });
      let sequential = 0;
      for (let at = 0; at < 200; at++) sequential += JSON.parse((await ask("/echo", { method: "PUT" }, "abc")).text).length;
      const got = JSON.parse((await ask("/echo", { method: "GET", headers: { "Content-Length": 2 } }, "hi")).text);
      const chunked = { method: "POST", headers: { "Transfer-Encoding": "chunked", Trailer: "X-Check" }, trailers: { "X-Check": "7" } };
      const sent = JSON.parse((await ask("/echo", chunked, "abc")).text);
      const hinted = await ask("/hints", {});
      const summed = await ask("/trailers", {});
      const length = (await ask("/megabyte", {})).headers["content-length"];
      console.log(JSON.stringify({ posts: posts.every(Boolean), sequential, got: got.text, sent: sent.rawTrailers, hinted: hinted.infos, summed: summed.trailers, length }));
      agent.destroy();
    `;
    const said = JSON.parse(await ok(["node", "--input-type=module", "-e", script]));
    expect(said).toEqual({
      posts: true,
      sequential: 600,
      got: "hi",
      sent: ["X-Check", "7"],
      hinted: [103, 102],
      summed: { "x-sum": "42" },
      length: "1000000",
    });
  });

  test.skipIf(!has("python3"))("python: http.client and urllib (skipped where it is missing)", async () => {
    const script = `
import http.client, json, urllib.request
port = ${ten.port}
c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
n = 0
for i in range(100):
    c.request("POST", "/echo", body=("x" * i))
    n += json.loads(c.getresponse().read())["length"]
c.request("POST", "/echo", body=iter([b"abc", b"de"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
chunked = json.loads(c.getresponse().read())
c.request("GET", "/_search", body=b"{}")
got = json.loads(c.getresponse().read())
c.request("GET", "/challenge")
r = c.getresponse(); r.read()
ways = r.msg.get_all("WWW-Authenticate")
m = urllib.request.HTTPPasswordMgrWithDefaultRealm()
m.add_password(None, "http://127.0.0.1:%d/" % port, "user", "pass")
opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(m))
hello = opener.open("http://127.0.0.1:%d/challenge" % port, timeout=20).read().decode()
length = urllib.request.urlopen("http://127.0.0.1:%d/megabyte" % port, timeout=20).headers["Content-Length"]
print(json.dumps([n, chunked["length"], got["text"], ways, hello, length]))
`;
    const said = JSON.parse(await ok(["python3", "-c", script]));
    expect(said).toEqual([4950, 5, "{}", ["Negotiate", 'Basic realm="here"'], "hello user", "1000000"]);
  });

  test.skipIf(!hasChromium)(
    "chromium: a login, an event stream, a cookie of a WebSocket (skipped where it is missing)",
    async () => {
      await using chromium = await startChromium();
      const tab = await chromium.tab();
      await tab.open(`http://user:pass@127.0.0.1:${ten.port}/challenge`);
      await tab.sees(
        "the login was sent, for there are two ways",
        `document.body.innerText === "hello user"`,
      );
      await tab.open(`${url}/page`);
      await tab.evaluate(`(() => {
      window.seen = [];
      const source = new EventSource("/events");
      source.onopen = () => window.seen.push("open");
      source.onmessage = ({ data }) => window.seen.push(data);
    })()`);
      await tab.sees("the stream is open before anything has come over it", `window.seen.join() === "open"`);
      await tab.evaluate(`fetch("/fire").then(() => {})`);
      await tab.sees("the event", `window.seen.join() === "open,fired"`);
      await tab.evaluate(`(() => {
      const socket = new WebSocket("ws://127.0.0.1:${ten.port}/ws");
      socket.onmessage = ({ data }) => { window.said = data; };
    })()`);
      await tab.sees("the first message", `window.said === "hi"`);
      expect(await tab.evaluate<string>("document.cookie")).toContain("ws=1");
    },
  );
});

/** Root's Apache serves as somebody else, who has to reach everything. */
const isRoot = process.getuid?.() === 0;

async function giveToApache(path: string): Promise<void> {
  if (!isRoot) return;
  await ok(["chmod", "711", temp.path]);
  await ok(["chown", "-R", "www-data:www-data", path]);
}

/** Apache in the foreground with a configuration of its own, as an instance. */
async function apache(lines: readonly string[], ...modules: string[]): Promise<Ten> {
  const config = temp.file("httpd.conf");
  const all = [
    `ServerRoot ${temp.path}`,
    `PidFile ${temp.file("httpd.pid")}`,
    "ServerName localhost",
    "ErrorLog /dev/stderr",
    ...["mpm_event", "authz_core", ...modules].map(
      (name) => `LoadModule ${name}_module ${APACHE_MODULES}/mod_${name}.so`,
    ),
    ...(isRoot ? ["User www-data", "Group www-data"] : []),
    ...lines,
  ];
  writeFileSync(config, `${all.join("\n")}\n`);
  return serving(`apache2 -X -f ${config} -c "Listen 127.0.0.1:{port}"`, "startup_timeout = 20");
}

test.skipIf(!hasGit)(
  "git over Apache: clone, push in chunks, fetch (skipped where one is missing)",
  async () => {
    const root = temp.file("git");
    mkdirSync(root);
    await ok(["git", "init", "-q", "--bare", "-b", "main", join(root, "a.git")]);
    await ok(["git", "-C", join(root, "a.git"), "config", "http.receivepack", "true"]);
    await giveToApache(root);
    const lines = [
      `ScriptSock ${join(root, "cgid.sock")}`,
      `SetEnv GIT_PROJECT_ROOT ${root}`,
      "SetEnv GIT_HTTP_EXPORT_ALL 1",
      `ScriptAlias /git ${GIT_BACKEND}`,
      '<Directory "/usr/lib/git-core">',
      "Require all granted",
      "</Directory>",
    ];
    await using ten = await apache(lines, "alias", "env", "cgid");
    const url = `http://127.0.0.1:${ten.port}/git/a.git`;
    const work = temp.file("work");
    await ok(["git", "clone", "-q", url, work]);
    for (const [key, value] of [
      ["user.name", "a"],
      ["user.email", "a@example.com"],
      ["http.postBuffer", "65536"],
    ] as const)
      await ok(["git", "-C", work, "config", key, value]);
    writeFileSync(join(work, "big"), crypto.getRandomValues(new Uint8Array(65_536)));
    for (let at = 0; at < 20; at++)
      writeFileSync(join(work, `f${at}`), crypto.getRandomValues(new Uint8Array(50_000)));
    await ok(["git", "-C", work, "add", "-A"]);
    await ok(["git", "-C", work, "commit", "-q", "-m", "all"]);
    await ok(["git", "-C", work, "push", "-q", "origin", "HEAD:main"]);
    const again = temp.file("again");
    await ok(["git", "clone", "-q", "-b", "main", url, again]);
    expect(await ok(["git", "-C", again, "rev-parse", "HEAD"])).toBe(
      await ok(["git", "-C", work, "rev-parse", "HEAD"]),
    );
  },
);

test.skipIf(!hasSvn)(
  "Subversion over Apache: checkout, commit, update, log (skipped where one is missing)",
  async () => {
    const repository = temp.file("svn");
    await ok(["svnadmin", "create", repository]);
    await giveToApache(repository);
    const lines = ["<Location /svn>", "DAV svn", `SVNPath ${repository}`, "</Location>"];
    await using ten = await apache(lines, "dav", "dav_svn");
    const svn = (...words: string[]) => ok(["svn", "--non-interactive", ...words]);
    const url = `http://127.0.0.1:${ten.port}/svn`;
    const [one, two] = [temp.file("one"), temp.file("two")];
    await svn("checkout", "-q", url, one);
    await svn("checkout", "-q", url, two);
    mkdirSync(join(one, "trunk"));
    for (let at = 0; at < 60; at++) writeFileSync(join(one, "trunk", `f${at}`), `${at}\n`.repeat(200));
    await svn("add", "-q", join(one, "trunk"));
    expect(await svn("commit", "-m", "sixty files", one)).toContain("Committed revision 1.");
    await svn("update", "-q", two);
    expect(await Bun.file(join(two, "trunk", "f59")).text()).toBe("59\n".repeat(200));
    writeFileSync(join(two, "trunk", "f0"), "changed\n");
    await svn("propset", "-q", "a:b", "c", join(two, "trunk", "f1"));
    expect(await svn("commit", "-m", "two more changes", two)).toContain("Committed revision 2.");
    await svn("copy", "-q", "-m", "branch", `${url}/trunk`, `${url}/branch`);
    expect(await svn("log", url)).toContain("sixty files");
    await until("the branch is there", async () => (await svn("list", `${url}/branch`)).includes("f59"));
  },
);
