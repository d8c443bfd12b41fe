// `ten serve` with an app behind HTTP/2, and what tests ask of it as frames.
import { certificateDirectory } from "../support/certificate-directory.ts";
import { freePort } from "../support/free-port.ts";
import { block, type Frame, frame, type Talk, TYPE } from "../support/http2-frames.ts";
import { makeAuthority } from "../support/make-certificate.ts";
import { startTen, type Ten, tomlFor } from "./ten.ts";

export const HOST = "api.shop.test";
export type Fields = readonly (readonly [string, string])[];

export const GET = [
  [":method", "GET"],
  [":scheme", "https"],
  [":path", "/"],
  [":authority", HOST],
] as const satisfies Fields;
export const POST: Fields = [[":method", "POST"], ...GET.slice(1)];

export const CODE: Readonly<Record<"protocol" | "flowControl" | "frameSize" | "compression", number>> = {
  protocol: 1,
  flowControl: 3,
  frameSize: 6,
  compression: 9,
};

/** With the flags END_STREAM and END_HEADERS unless others are given. */
export const headers = (stream: number, fields: Fields = GET, flags = 5) =>
  frame(TYPE.headers, flags, stream, block(fields));

export const onStream = (stream: number) => (one: Frame) =>
  one.stream === stream && (one.type === TYPE.headers || one.type === TYPE.reset);

export async function statusOrReset(talking: Talk, stream: number): Promise<"refused" | "served"> {
  const answer = await talking.first((one) => onStream(stream)(one) || one.type === TYPE.goaway);
  if (answer?.type !== TYPE.headers) return "refused";
  // `:status` is the first field: 200 is entry 8 of the static table, other statuses are not served (RFC 7541 appendix A).
  return answer.payload[0] === 0x88 ? "served" : "refused";
}

export interface Http2Server extends AsyncDisposable {
  readonly ten: Ten;
  /** That of https. */
  readonly port: number;
}

/** Its tests are visitors, who are sent from http to https, unless not `isVisited`; `within`: what it is started by. */
export async function startHttp2Server({
  isVisited = true,
  within = [],
}: {
  readonly isVisited?: boolean;
  readonly within?: readonly string[];
} = {}): Promise<Http2Server> {
  const certs = certificateDirectory(makeAuthority("root"));
  certs.put("shop.pem", "shop.test", "*.shop.test");
  const port = await freePort();
  const toml = tomlFor("bun")
    .replace(isVisited ? /selector_from.*\n/ : "", "")
    .replace("[settings]", `[settings]\ncertificates = [${JSON.stringify(certs.path)}]`);
  const ten = await startTen({
    within,
    toml: `${toml}\n[acme]\nauthorities = ["none"]\n`,
    serve: ["--https", "--https-port", String(port), "--domain", "shop.test", "--host", "127.0.0.1"],
  });
  await ten.ok("deploy", "api:v1");
  return {
    ten,
    port,
    async [Symbol.asyncDispose]() {
      await ten[Symbol.asyncDispose]();
      certs[Symbol.dispose]();
    },
  };
}
