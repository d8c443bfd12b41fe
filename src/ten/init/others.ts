// Apps in Ruby, PHP, Go, Rust, on the JVM and .NET, sites of plain files, and single executables.
import { commandWord, type Found, healthIn, type Survey } from "./survey.ts";

/** Where what was built for visitors usually lies. */
const SITES = [".", "public", "dist", "build", "_site", "site", "www", "htdocs", "html"];
/** Compilers may take their time. */
const COMPILE_SECS = 300;

export function findRuby(survey: Survey): readonly Found[] {
  const gems = survey.read("Gemfile") + survey.read("Gemfile.lock");
  if (!survey.exists("config.ru") && !/^\s*(gem ["'])?rails\b/m.test(gems)) return [];
  const what = survey.exists("config/application.rb") ? "a Rails app" : "a Rack app (config.ru)";
  const server = gems.includes("puma") ? "puma -b tcp://127.0.0.1:{port}" : "rackup -o 127.0.0.1 -p {port}";
  const bundle = survey.exists("Gemfile") ? "bundle exec " : "";
  const health = survey.read("config/routes.rb").includes("rails/health#show") ? "/up" : undefined;
  return [{ what, command: bundle + server, ...(health && { health }) }];
}

export function findPhp(survey: Survey): readonly Found[] {
  if (survey.exists("artisan")) {
    const health = /health:\s*["'](\/\w+)/.exec(survey.read("bootstrap/app.php"))?.[1];
    return [
      {
        what: "a Laravel app (artisan)",
        command: "php artisan serve --host=127.0.0.1 --port={port} --no-reload",
        env: { PHP_CLI_SERVER_WORKERS: "4" },
        ...(health && { health }),
      },
    ];
  }
  const root = ["public", "web", "www", "."].find((directory) => survey.exists(`${directory}/index.php`));
  if (root === undefined) return [];
  const what = `a PHP app (${root === "." ? "" : `${root}/`}index.php)`;
  return [{ what, command: `php -S 127.0.0.1:{port} -t ${root}`, env: { PHP_CLI_SERVER_WORKERS: "4" } }];
}

export function findGo(survey: Survey): readonly Found[] {
  if (!survey.exists("go.mod")) return [];
  const module = /^module\s+(\S+)/m.exec(survey.read("go.mod"))?.[1] ?? "";
  const name =
    module
      .replace(/\/v\d+$/, "")
      .split("/")
      .at(-1) ?? "";
  const built = [name, survey.name, "server", "app", "main", `bin/${name}`].find(
    (path) => path !== "" && survey.isExecutable(path),
  );
  const what = "a Go app (go.mod)";
  if (built !== undefined) return [{ what, command: commandWord(`./${built}`) }];
  const commands = survey.list("cmd").filter(({ isDirectory }) => isDirectory);
  const main = survey.exists("main.go") || commands.length === 0 ? "." : `./cmd/${commands[0]?.name}`;
  const health = healthIn(survey.read(main === "." ? "main.go" : `${main}/main.go`));
  return [
    {
      what,
      command: `go run ${commandWord(main)}`,
      startupTimeout: COMPILE_SECS,
      ...(health && { health }),
      notes: [
        `go run compiles at each start: for visitors, go build -o server ${commandWord(main)} and command = "./server"`,
      ],
    },
  ];
}

export function findRust(survey: Survey): readonly Found[] {
  const cargo = survey.read("Cargo.toml");
  const name = /^\[package\][^[]*?^name\s*=\s*["']([\w-]+)/ms.exec(cargo)?.[1];
  if (name === undefined) return [];
  const health = healthIn(survey.read("src/main.rs"));
  const rest = health === undefined ? {} : { health };
  const what = "a Rust app (Cargo.toml)";
  const built = `target/release/${name}`;
  if (survey.isExecutable(built)) return [{ what, command: `./${built}`, ...rest }];
  return [
    {
      what,
      command: "cargo run --release --quiet",
      startupTimeout: COMPILE_SECS,
      ...rest,
      notes: [
        `cargo run compiles before it starts: for visitors, cargo build --release and command = "./${built}"`,
      ],
    },
  ];
}

export function findJvm(survey: Survey): readonly Found[] {
  const build = ["pom.xml", "build.gradle", "build.gradle.kts"].map(survey.read).join("\n");
  const jars = [".", "target", "build/libs"].flatMap((directory) =>
    survey
      .list(directory)
      .filter(({ name }) => /\.jar$/.test(name) && !/-(plain|sources|javadoc|original)\.jar$/.test(name))
      .map(({ name }) => (directory === "." ? name : `${directory}/${name}`)),
  );
  const [jar] = jars;
  if (jar === undefined && build.trim() === "") return [];
  const isSpring = build.includes("spring-boot") || build.trim() === "";
  const isQuarkus = build.includes("quarkus");
  const env = {
    ...(isSpring && { SERVER_ADDRESS: "127.0.0.1", SERVER_PORT: "{port}" }),
    ...(isQuarkus && { QUARKUS_HTTP_HOST: "127.0.0.1", QUARKUS_HTTP_PORT: "{port}" }),
  };
  const maven = survey.exists("pom.xml");
  const path =
    jar ?? (isQuarkus ? "target/quarkus-app/quarkus-run.jar" : `${maven ? "target" : "build/libs"}/app.jar`);
  const how = maven ? "mvn package" : "gradle build";
  return [
    {
      what:
        jar === undefined ? `an app on the JVM (${maven ? "pom.xml" : "build.gradle"})` : `a jar (${jar})`,
      command: `java -jar ${commandWord(path)}`,
      env,
      startupTimeout: 120,
      ...(build.includes("actuator") && { health: "/actuator/health" }),
      notes: jar === undefined ? [`build it first: ${how}, and check the name of the jar in command`] : [],
    },
  ];
}

export function findDotnet(survey: Survey): readonly Found[] {
  const project = survey.list(".").find(({ name }) => /\.[cf]sproj$/.test(name));
  if (project === undefined) return [];
  return [
    {
      what: `a .NET app (${project.name})`,
      command: "dotnet run --configuration Release --no-launch-profile",
      env: { ASPNETCORE_URLS: "http://127.0.0.1:{port}" },
      startupTimeout: COMPILE_SECS,
    },
  ];
}

export function findSite(survey: Survey): readonly Found[] {
  const directory = SITES.find((one) => survey.exists(`${one}/index.html`));
  if (directory === undefined) return [];
  const path = directory === "." ? "index.html" : `${directory}/index.html`;
  return [{ what: `a static site (${path})`, command: `${survey.own} static ${directory} --port {port}` }];
}

/** The only executable of a directory. */
export function findExecutable(survey: Survey): readonly Found[] {
  const [one, ...others] = survey.list(".").filter(({ name }) => survey.isExecutable(name));
  if (one === undefined || others.length > 0 || !/^[\w.-]+$/.test(one.name)) return [];
  return [{ what: `an executable (${one.name})`, command: commandWord(`./${one.name}`) }];
}
