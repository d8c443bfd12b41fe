import { start } from "../../shop.mjs";

// A pool of connections that is too small: it is well with few visitors, and dies of half of them.
start({ crashAbove: 45 });
