import { startWorkers } from "../../support/workers.ts";
import { behavesAsDataPlane } from "../behaviour.ts";

// One worker: with more, what is exact is so for each.
behavesAsDataPlane("multi-process", (options) => startWorkers(options), false);
