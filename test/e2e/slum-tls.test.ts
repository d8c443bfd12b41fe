// slum in front of https servers: what it sends, whose certificates it takes, and how it tells of those that it does not.
import { describe, expect, test } from "bun:test";
import { testCertificate } from "../support/certificate.ts";
import {
  addressCertificate,
  expiredCertificate,
  localhostCertificate,
  privateRoot,
} from "../support/private-ca.ts";
import { startSecure } from "../support/secure-origin.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { type Slum, startSlum, startSlumWith } from "./slum.ts";

const HOST = "acme.example.com";

async function lastErrors(slum: Slum): Promise<Record<string, string | null>> {
  const { servers } = await slum.json<{ servers: { id: string; last_error: string | null }[] }>(
    "server",
    "list",
  );
  return Object.fromEntries(servers.map(({ id, last_error }) => [id, last_error]));
}

describe("a server with https", () => {
  test("is asked by its name, and its certificate is verified by the roots of --ca", async () => {
    using temp = createTempDir();
    await Bun.write(temp.file("root.pem"), privateRoot);
    await using named = await startSecure(localhostCertificate);
    await using addressed = await startSecure(addressCertificate);
    await using expired = await startSecure(expiredCertificate);
    await using slum = await startSlum("--ca", temp.file("root.pem"));
    const namedUrl = `https://localhost:${named.port}`;
    expect((await slum.ok("server", "add", "named", namedUrl)).stdout).toContain("it answers: status 200");
    await slum.ok("server", "add", "addressed", `https://127.0.0.1:${addressed.port}`);
    await slum.ok("server", "add", "misnamed", `https://127.0.0.1:${named.port}`);
    await slum.ok("server", "add", "expired", `https://localhost:${expired.port}`);

    await slum.ok("tenant", "add", "acme", HOST, "named", "api", "--failover", "none");
    await slum.ok("tenant", "add", "beta", "beta.example.com", "addressed", "api", "--failover", "none");
    await slum.ok("tenant", "add", "late", "late.example.com", "expired", "api", "--failover", "none");
    expect((await slum.get(HOST)).body).toBe(`localhost localhost:${named.port} ${HOST}`);
    expect((await slum.get("beta.example.com")).body).toBe(
      `no name 127.0.0.1:${addressed.port} beta.example.com`,
    );
    expect((await slum.get("late.example.com")).status).toBe(503);

    expect(await lastErrors(slum)).toEqual({
      named: null,
      addressed: null,
      misnamed: expect.stringMatching(/^TLS: certificate not trusted: .*127\.0\.0\.1/),
      expired: "TLS: certificate not trusted: certificate has expired",
    });
    expect((await slum.ok("server", "list")).stdout).toContain("TLS: certificate not trusted");
  });

  test("is told what to do when nobody known vouches for it, or it speaks no TLS", async () => {
    await using unknown = await startSecure(localhostCertificate);
    await using selfSigned = await startSecure(testCertificate);
    await using slum = await startSlum();
    const added = await slum.ok("server", "add", "unknown", `https://localhost:${unknown.port}`);
    expect(added.stderr).toContain("--ca FILE");
    expect((await slum.run("server", "check", "unknown")).stderr).toContain("--ca FILE");
    await slum.ok("server", "add", "own", `https://localhost:${selfSigned.port}`);
    await slum.ok("server", "add", "plain", `https://localhost:${slum.port}`);
    expect(await lastErrors(slum)).toEqual({
      unknown: expect.stringMatching(/^TLS: certificate not trusted: /),
      own: expect.stringMatching(/^TLS: certificate not trusted: self.signed/),
      plain: "TLS: wrong version number",
    });
  });

  test("is trusted by a root in NODE_EXTRA_CA_CERTS, and never without one, whatever the environment says", async () => {
    using temp = createTempDir();
    await Bun.write(temp.file("root.pem"), privateRoot);
    await using named = await startSecure(localhostCertificate);
    const url = `https://localhost:${named.port}`;
    await using trusting = await startSlumWith({ env: { NODE_EXTRA_CA_CERTS: temp.file("root.pem") } });
    expect((await trusting.ok("server", "add", "named", url)).stdout).toContain("it answers: status 200");
    await using careless = await startSlumWith({ env: { NODE_TLS_REJECT_UNAUTHORIZED: "0" } });
    expect((await careless.ok("server", "add", "named", url)).stdout).toContain(
      "TLS: certificate not trusted",
    );
  });

  test("needs roots that can be read", async () => {
    using temp = createTempDir();
    await Bun.write(temp.file("junk.pem"), "-----BEGIN CERTIFICATE-----\njunk\n-----END CERTIFICATE-----\n");
    await using slum = await startSlum();
    for (const file of ["junk.pem", "missing.pem"]) {
      const { exit, stderr } = await slum.run("serve", "--data-dir", temp.path, "--ca", temp.file(file));
      expect([exit, stderr]).toEqual([2, expect.stringContaining(`--ca "${temp.file(file)}"`)]);
    }
  });
});
