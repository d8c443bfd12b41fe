// The rooms of a source tree, read off its imports: `bun test/rooms.ts [DIRECTORY]` counts them, their floors and their arrows.
import { dirname, join, normalize } from "node:path";

/** Files by their path below the root, each with the files that it imports, types and lazy imports included. */
export type Imports = ReadonlyMap<string, readonly string[]>;

/** One layer: which of its rooms import which, without what they import from other layers. */
export type Rooms = ReadonlyMap<string, ReadonlySet<string>>;

export async function readImports(root: string): Promise<Imports> {
  const files = [...new Bun.Glob("**/*.{ts,tsx}").scanSync(root)].sort();
  const entries = files.map(async (file) => {
    const text = await Bun.file(join(root, file)).text();
    return [file, importsIn(file, text)] as const;
  });
  return new Map(await Promise.all(entries));
}

function importsIn(file: string, text: string): string[] {
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)]
    .map(([, path]) => normalize(join(dirname(file), path ?? "")))
    .filter((path) => !path.startsWith(".."));
}

export function layerOf(file: string): string {
  return file.split("/")[0] ?? "";
}

/** The folder of a file within its layer; a file that lies in the layer itself is a room of its own. */
export function roomOf(file: string): string {
  return (file.split("/")[1] ?? "").replace(/\.tsx?$/, "");
}

export function roomsOf(layer: string, imports: Imports): Rooms {
  const rooms = new Map<string, Set<string>>();
  for (const [file, paths] of imports) {
    if (layerOf(file) !== layer) continue;
    const room = roomOf(file);
    const used = rooms.get(room) ?? new Set();
    rooms.set(room, used);
    for (const path of paths) if (layerOf(path) === layer && roomOf(path) !== room) used.add(roomOf(path));
  }
  return rooms;
}

/** Each circle once, as the rooms on it. */
export function circlesIn(rooms: Rooms): string[] {
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (room: string, trail: readonly string[]): void => {
    if (trail.includes(room)) circles.push([...trail.slice(trail.indexOf(room)), room].join(" -> "));
    if (done.has(room) || trail.includes(room)) return;
    for (const next of rooms.get(room) ?? []) visit(next, [...trail, room]);
    done.add(room);
  };
  for (const room of rooms.keys()) visit(room, []);
  return circles;
}

/** The floor of each room: 0 for those that import no other, else one above the highest that they import. */
export function floorsOf(rooms: Rooms): ReadonlyMap<string, number> {
  const floors = new Map<string, number>();
  const floorOf = (room: string): number => {
    const known = floors.get(room);
    if (known !== undefined) return known;
    floors.set(room, 0);
    const floor = Math.max(-1, ...[...(rooms.get(room) ?? [])].map(floorOf)) + 1;
    floors.set(room, floor);
    return floor;
  };
  for (const room of rooms.keys()) floorOf(room);
  return floors;
}

if (import.meta.main) {
  const root = Bun.argv[2] ?? join(import.meta.dir, "../src");
  const imports = await readImports(root);
  for (const layer of ["core", "platform", "proxy", "api", "cli", "ten", "slum"]) {
    const rooms = roomsOf(layer, imports);
    const floors = floorsOf(rooms);
    const arrows = [...rooms.values()].reduce((sum, used) => sum + used.size, 0);
    const circles = circlesIn(rooms);
    const height = Math.max(...floors.values()) + 1;
    process.stdout.write(
      `${layer}: ${rooms.size} rooms, ${height} floors, ${arrows} arrows, ${circles.length} circles\n`,
    );
    for (let floor = 0; floor < height; floor++) {
      const here = [...floors].filter(([, at]) => at === floor).map(([room]) => room);
      process.stdout.write(`  ${floor}  ${here.join(" ")}\n`);
    }
    for (const circle of circles) process.stdout.write(`  circle: ${circle}\n`);
  }
}
