// JavaScript and TypeScript apps: on Node, Bun and Deno, and those that are only files once they are built.
import { type Found, healthIn, type Survey } from "./survey.ts";

const SCRIPTS = ["server", "app", "index", "main"];
/** What builds files to be served, and where it puts them. */
const BUILDERS: readonly (readonly [dependency: string, directory: string])[] = [
  ["vite", "dist"],
  ["react-scripts", "build"],
  ["@vue/cli-service", "dist"],
  ["astro", "dist"],
  ["gatsby", "public"],
  ["@11ty/eleventy", "_site"],
  ["@docusaurus/core", "build"],
  ["parcel", "dist"],
];
/** A start script that only serves what was built, for development. */
const PREVIEW =
  /^(?:npx )?(?:vite|react-scripts|vue-cli-service|astro|gatsby|eleventy|docusaurus|parcel|serve|ng)\b/;

interface Package {
  readonly scripts?: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, unknown>>;
  readonly devDependencies?: Readonly<Record<string, unknown>>;
}

export function findJavaScript(survey: Survey): readonly Found[] {
  const found = deno(survey) ?? packaged(survey) ?? script(survey);
  return found === undefined ? [] : [found];
}

function packaged(survey: Survey): Found | undefined {
  if (!survey.exists("package.json")) return undefined;
  const { scripts = {}, dependencies = {}, devDependencies = {} } = packageOf(survey);
  const all = { ...dependencies, ...devDependencies };
  const start = typeof scripts.start === "string" ? scripts.start : undefined;
  const built = (what: string) => [`build it first: ${manager(survey)} run build (${what})`];
  if ("next" in all)
    return {
      what: "a Next.js app",
      command: "node_modules/.bin/next start --hostname 127.0.0.1 --port {port}",
      notes: built("it makes .next"),
    };
  if ("nuxt" in all)
    return {
      what: "a Nuxt app",
      command: "node .output/server/index.mjs",
      env: { NITRO_HOST: "127.0.0.1", NITRO_PORT: "{port}" },
      notes: built("it makes .output"),
    };
  const builder = BUILDERS.find(([name]) => name in all);
  if (builder && (start === undefined || PREVIEW.test(start))) return site(survey, builder, built);
  if (start === undefined) return undefined;
  const entry = /(?:node|bun|tsx)\s+(?:run\s+)?(?:--\S+\s+)*([\w./-]+\.[cm]?[jt]s)\b/.exec(start)?.[1];
  const health = healthIn(survey.read(entry ?? "index.js"));
  const command = manager(survey) === "npm" ? "npm start" : `${manager(survey)} run start`;
  return { what: "a package with a start script", command, ...(health && { health }) };
}

function site(
  survey: Survey,
  [name, directory]: readonly [string, string],
  built: (what: string) => readonly string[],
): Found {
  const isOnePage = name === "vite" || name === "react-scripts" || name === "@vue/cli-service";
  return {
    what: `a site made by ${name}`,
    command: `${survey.own} static ${directory} --port {port}${isOnePage ? " --spa" : ""}`,
    notes: survey.exists(directory) ? [] : built(`it makes ${directory}`),
  };
}

function manager(survey: Survey): string {
  if (prefersBun(survey)) return "bun";
  if (survey.exists("pnpm-lock.yaml")) return "pnpm";
  return survey.exists("yarn.lock") ? "yarn" : "npm";
}

export function prefersBun({ exists }: Survey): boolean {
  return exists("bun.lock") || exists("bun.lockb") || exists("bunfig.toml");
}

function packageOf(survey: Survey): Package {
  try {
    const parsed: unknown = JSON.parse(survey.read("package.json"));
    return typeof parsed === "object" && parsed !== null ? parsed : {};
  } catch {
    return {};
  }
}

function deno(survey: Survey): Found | undefined {
  const config = ["deno.json", "deno.jsonc"].find(survey.exists);
  if (config === undefined && !survey.exists("deno.lock")) return undefined;
  if (/"start"\s*:/.test(survey.read(config ?? "")))
    return { what: "a Deno app", command: "deno task start" };
  const file = [...SCRIPTS, "mod"]
    .flatMap((name) => [`${name}.ts`, `${name}.js`, `${name}.tsx`])
    .find(survey.exists);
  if (file === undefined) return undefined;
  const source = survey.read(file);
  const health = healthIn(source);
  const serves = /export\s+default\s*\{[^}]*\bfetch\b/s.test(source);
  return {
    what: `a Deno app (${file})`,
    command: serves
      ? `deno serve --host 127.0.0.1 --port {port} ${file}`
      : `deno run --allow-net --allow-env --allow-read ${file}`,
    ...(health && { health }),
  };
}

function script(survey: Survey): Found | undefined {
  const endings = [".mjs", ".js", ".cjs", ".ts"];
  const file = endings.flatMap((ending) => SCRIPTS.map((name) => name + ending)).find(survey.exists);
  if (file === undefined || isForBrowsers(survey, file)) return undefined;
  const health = healthIn(survey.read(file));
  const isTyped = file.endsWith(".ts");
  const hasBun = survey.has("bun");
  const runtime =
    (isTyped && hasBun) || prefersBun(survey) || (!survey.has("node") && hasBun) ? "bun" : "node";
  return {
    what: `a ${isTyped ? "TypeScript" : "JavaScript"} app (${file})`,
    command: `${runtime} ${file}`,
    ...(health && { health }),
  };
}

/** `app.js` beside an `index.html` that loads it is no server. */
function isForBrowsers(survey: Survey, file: string): boolean {
  return survey.read("index.html").includes(file) && !survey.exists("package.json");
}
