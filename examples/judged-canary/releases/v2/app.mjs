import { start } from "../../shop.mjs";

start();
