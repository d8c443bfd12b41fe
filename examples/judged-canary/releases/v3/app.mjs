import { start } from "../../shop.mjs";

// One request in twenty fails.
let asked = 0;
start({ fails: () => ++asked % 20 === 0 });
