import { start } from "../../shop.mjs";

// A query without an index.
start({ waitMs: () => 100 });
