import { start } from "../../shop.mjs";

// One page of ten.
start({ fails: (path) => path === "/cart" });
