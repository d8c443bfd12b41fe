// Python apps: Django, ASGI and WSGI frameworks, and plain files.
import { type Found, healthIn, type Survey } from "./survey.ts";

const MODULES = ["main", "app", "server", "asgi", "wsgi", "application", "api", "run", "index"];
const PLACES = ["", "app/", "src/", "api/", "backend/"];
const ENVIRONMENTS = [".venv", "venv", "env"];

export function findPython(survey: Survey): readonly Found[] {
  const found = django(survey) ?? framework(survey) ?? plain(survey);
  return found === undefined ? [] : [found];
}

function django(survey: Survey): Found | undefined {
  if (!survey.exists("manage.py")) return undefined;
  const settings = /DJANGO_SETTINGS_MODULE["']\s*,\s*["']([\w.]+)\.settings/.exec(
    survey.read("manage.py"),
  )?.[1];
  const project =
    settings ??
    survey.list(".").find(({ name, isDirectory }) => isDirectory && survey.exists(`${name}/wsgi.py`))?.name;
  const what = "a Django project (manage.py)";
  if (project !== undefined && isKnown(survey, "gunicorn"))
    return {
      what,
      command: `${tool(survey, "gunicorn")} --bind 127.0.0.1:{port} ${project.split(".")[0]}.wsgi`,
    };
  return {
    what,
    command: `${python(survey)} manage.py runserver --noreload 127.0.0.1:{port}`,
    notes: [
      "that is Django's server for development: for visitors, pip install gunicorn and run ten init again",
    ],
  };
}

/** An application in one of the usual modules. */
function framework(survey: Survey): Found | undefined {
  const files = PLACES.flatMap((place) => MODULES.map((name) => `${place}${name}.py`));
  for (const file of files) {
    const found = applicationIn(survey, file);
    if (found !== undefined) return found;
  }
  return undefined;
}

function applicationIn(survey: Survey, file: string): Found | undefined {
  const source = survey.read(file);
  const health = healthIn(source);
  const rest = health === undefined ? {} : { health };
  const [, asgi, kind] =
    /^(\w+)\s*(?::[^=\n]+)?=\s*(?:\w+\.)?(FastAPI|Starlette|Litestar|Quart)\(/m.exec(source) ?? [];
  if (asgi !== undefined)
    return { what: `a ${kind} app (${file})`, command: asgiCommand(survey, file, asgi), ...rest };
  const bare = /^async def (\w+)\(\s*scope\b[^,)]*,\s*receive\b[^,)]*,\s*send\b/m.exec(source)?.[1];
  if (bare !== undefined)
    return { what: `an ASGI app (${file})`, command: asgiCommand(survey, file, bare), ...rest };
  const gateway = /^def (\w+)\(\s*environ\b[^,)]*,\s*start_response\b/m.exec(source)?.[1];
  if (gateway !== undefined && isKnown(survey, "gunicorn") && !source.includes("__main__"))
    return { what: `a WSGI app (${file})`, ...wsgiCommand(survey, file, gateway), ...rest };
  if (!/^\s*(?:from|import)\s+flask\b/m.test(source)) return undefined;
  const wsgi = /^(\w+)\s*=\s*(?:\w+\.)?Flask\(/m.exec(source)?.[1];
  if (wsgi === undefined && !/^def create_app\(/m.test(source)) return undefined;
  return { what: `a Flask app (${file})`, ...wsgiCommand(survey, file, wsgi), ...rest };
}

function asgiCommand(survey: Survey, file: string, variable: string): string {
  return `${tool(survey, "uvicorn")} ${appDirectory(file, "--app-dir")}${moduleOf(file)}:${variable} --host 127.0.0.1 --port {port}`;
}

function wsgiCommand(
  survey: Survey,
  file: string,
  variable: string | undefined,
): Pick<Found, "command" | "notes"> {
  const app = `${moduleOf(file)}:${variable ?? "create_app"}`;
  if (isKnown(survey, "gunicorn")) {
    const callable = variable === undefined ? `'${app}()'` : app;
    return {
      command: `${tool(survey, "gunicorn")} --bind 127.0.0.1:{port} ${appDirectory(file, "--chdir")}${callable}`,
    };
  }
  const path = file.startsWith("src/")
    ? `src/${moduleOf(file).replaceAll(".", "/")}${variable ? `:${variable}` : ""}`
    : app;
  return {
    command: `${tool(survey, "flask")} --app ${path} run --host 127.0.0.1 --port {port}`,
    notes: [
      "that is Flask's server for development: for visitors, pip install gunicorn and run ten init again",
    ],
  };
}

/** `src` is a place for modules, not a package. */
function moduleOf(file: string): string {
  return file
    .replace(/^src\//, "")
    .replace(/\.py$/, "")
    .replaceAll("/", ".");
}

function appDirectory(file: string, flag: string): string {
  return file.startsWith("src/") ? `${flag} src ` : "";
}

function plain(survey: Survey): Found | undefined {
  const file = ["app.py", "main.py", "server.py"].find((name) => survey.exists(name));
  if (file === undefined) return undefined;
  const health = healthIn(survey.read(file));
  return { what: `a Python app (${file})`, command: `${python(survey)} ${file}`, ...(health && { health }) };
}

function dependencies(survey: Survey): string {
  const lists = survey.list(".").filter(({ name }) => /^requirements.*\.txt$/.test(name));
  return [...lists.map(({ name }) => name), "pyproject.toml", "Pipfile", "setup.py"]
    .map((name) => survey.read(name).toLowerCase())
    .join("\n");
}

function isKnown(survey: Survey, program: string): boolean {
  return (
    dependencies(survey).includes(program) ||
    ENVIRONMENTS.some((place) => survey.exists(`${place}/bin/${program}`)) ||
    survey.has(program)
  );
}

/** A program of the app's own environment, where it has one; as a module where it is not in PATH. */
function tool(survey: Survey, program: string): string {
  const place = ENVIRONMENTS.find((one) => survey.exists(`${one}/bin/${program}`));
  if (place !== undefined) return `${place}/bin/${program}`;
  if (survey.exists("uv.lock")) return `uv run ${program}`;
  if (survey.exists("poetry.lock")) return `poetry run ${program}`;
  if (survey.exists("Pipfile.lock")) return `pipenv run ${program}`;
  return survey.has(program) ? program : `${python(survey)} -m ${program}`;
}

function python(survey: Survey): string {
  const place = ENVIRONMENTS.find((one) => survey.exists(`${one}/bin/python`));
  if (place !== undefined) return `${place}/bin/python`;
  if (survey.exists("uv.lock")) return "uv run python";
  return survey.exists("poetry.lock") ? "poetry run python" : "python3";
}
