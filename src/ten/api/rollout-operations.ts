// The operations on a version that comes step by step: its plan, how it stands, who decides, and copies of requests.
import { z } from "zod";
import { flag } from "../../api/fields.ts";
import { defineContract } from "../../api/operation.ts";
import {
  label,
  planned,
  rolloutAnswer,
  service,
  shadowOfService,
  shadowTold,
  toldAnswer,
  wishes,
} from "./shapes.ts";

export const rolloutOperations = defineContract({
  planRollout: {
    summary: "What a deploy with a canary would do and promise now; nothing is done",
    method: "POST",
    path: "/api/services/:service/rollout/plan",
    scope: "read",
    params: z.strictObject({ service }),
    body: z.strictObject({ version: label, canary: wishes.default({}) }),
    answer: planned,
  },
  rollout: {
    summary: "The rollout of a service that is under way, or else its last",
    method: "GET",
    path: "/api/services/:service/rollout",
    scope: "read",
    params: z.strictObject({ service }),
    answer: z.object({ rollout: rolloutAnswer.nullable() }),
  },
  holdRollout: {
    summary: "Let a rollout stay where it is until told to go on; a bad version is taken back all the same",
    method: "PUT",
    path: "/api/services/:service/rollout/hold",
    scope: "deploy",
    params: z.strictObject({ service }),
    body: z.strictObject({ on: z.boolean() }),
    answer: toldAnswer,
  },
  promoteRollout: {
    summary: "Give a canary everything now; when it has that, end its bake",
    method: "POST",
    path: "/api/services/:service/rollout/promote",
    scope: "deploy",
    params: z.strictObject({ service }),
    body: z.strictObject({ force: flag }),
    answer: toldAnswer,
  },
  abortRollout: {
    summary: "Take a canary back now and stop it",
    method: "POST",
    path: "/api/services/:service/rollout/abort",
    scope: "deploy",
    params: z.strictObject({ service }),
    body: z.strictObject({}),
    answer: toldAnswer,
  },
  shadow: {
    summary: "What copies of a service's requests led to: those that are made, or the last",
    method: "GET",
    path: "/api/services/:service/shadow",
    scope: "read",
    params: z.strictObject({ service }),
    answer: shadowOfService,
  },
  beginShadow: {
    summary:
      "Copy some of a service's GET and HEAD requests, one to a version without traffic and one to those that have it, and compare their answers",
    method: "PUT",
    path: "/api/services/:service/shadow",
    scope: "deploy",
    params: z.strictObject({ service }),
    body: z.strictObject({ to: label, sample: z.number().min(0.01).max(100).default(10) }),
    answer: shadowTold,
  },
  endShadow: {
    summary: "Copy no requests of a service any more; what was counted is kept until the next time",
    method: "DELETE",
    path: "/api/services/:service/shadow",
    scope: "deploy",
    params: z.strictObject({ service }),
    answer: shadowTold,
  },
});

export type RolloutOperations = typeof rolloutOperations;
