// The files of ten's dashboard: bundled for browsers when the executable is built, and embedded in it as text.
import { bundle } from "../../api/bundle.ts" with { type: "macro" };
import { pageFiles } from "../../api/page-files.ts";

export const dashboard = pageFiles("ten", bundle("src/ten/page/main.tsx"), "ten ps");
