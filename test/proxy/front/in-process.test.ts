import { systemClock } from "../../../src/platform/time/clock.ts";
import { createInProcessPlane } from "../../../src/proxy/front/in-process.ts";
import { createUpstream } from "../../../src/proxy/upstream/upstream.ts";
import { behavesAsDataPlane } from "../behaviour.ts";

behavesAsDataPlane(
  "in-process",
  (options) => createInProcessPlane(options, createUpstream({ clock: systemClock })),
  true,
);
