// The files of slum's dashboard: bundled for browsers when the executable is built, and embedded in it as text.
import { bundle } from "../../api/bundle.ts" with { type: "macro" };
import { pageFiles } from "../../api/page-files.ts";

export const dashboard = pageFiles("slum", bundle("src/slum/page/main.tsx"), "slum ps");
