// The cells of the benchmark: which body, over how many connections, kept or not.

export interface Cell {
  readonly name: string;
  readonly path: string;
  readonly bodyBytes: number;
  readonly connections: number;
  readonly keepAlive: boolean;
  /** By https: the handshake too, where connections are not kept. */
  readonly isTls?: boolean;
  /** Bytes to post; undefined for a GET. */
  readonly postBytes?: number;
  /** Sends what a browser sends besides. */
  readonly isBrowser?: boolean;
  /** Asks any of so many domains, t0.example.com and so on, instead of always the same. */
  readonly hosts?: number;
}

const BODIES = { "1k": 1_024, "100k": 102_400, "10m": 10_485_760 } as const;
type Body = keyof typeof BODIES;

const SWEEP = [16, 32, 64, 128, 256, 512];

function cell(body: Body, connections: number, how: "keep" | "close" | "post" | "browser"): Cell {
  const name = `${how === "post" ? "POST " : ""}${body} x${connections}${how === "close" || how === "browser" ? ` ${how}` : ""}`;
  return {
    name,
    path: `/${body}`,
    bodyBytes: BODIES[body],
    connections,
    keepAlive: how !== "close",
    ...(how === "browser" && { isBrowser: true }),
    ...(how === "post" && { postBytes: BODIES[body] }),
  };
}

/** By https, the connections kept, and a handshake for each request. */
function secureCells(): Cell[] {
  return [
    cell("1k", 16, "keep"),
    cell("1k", 64, "keep"),
    cell("100k", 16, "keep"),
    cell("1k", 16, "close"),
  ].map((one) => ({ ...one, name: `https ${one.name}`, isTls: true }));
}

/** Every cell of a whole run, the sweep of connections included. */
export function allCells(): Cell[] {
  const bodies = Object.keys(BODIES) as Body[];
  const grid = bodies.flatMap((body) =>
    [16, 256].flatMap((connections) => [cell(body, connections, "keep"), cell(body, connections, "close")]),
  );
  const posts = [16, 256].map((connections) => cell("1k", connections, "post"));
  const browsers = [16, 64].map((connections) => cell("1k", connections, "browser"));
  const known = new Set(grid.map(({ name }) => name));
  const sweep = SWEEP.map((connections) => cell("1k", connections, "keep"));
  return [...grid, ...posts, ...browsers, ...secureCells(), ...sweep.filter(({ name }) => !known.has(name))];
}

/** What says most in the least time. */
export function quickCells(): Cell[] {
  return [
    cell("1k", 16, "keep"),
    cell("1k", 64, "keep"),
    cell("1k", 256, "keep"),
    cell("1k", 16, "browser"),
    cell("1k", 16, "close"),
    cell("1k", 16, "post"),
    cell("100k", 16, "keep"),
    cell("10m", 16, "keep"),
    ...secureCells(),
  ];
}
