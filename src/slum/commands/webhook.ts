// `slum webhook`: the commands about receivers of webhooks.
import { inGroup } from "./other-words.ts";

export default {
  name: "webhook",
  summary: "Tell somebody when servers stay down",
  elsewhere: inGroup("webhook"),
  commands: {
    add: () => import("./webhook-add.ts"),
    list: () => import("./webhook-list.ts"),
    delete: () => import("./webhook-delete.ts"),
    rotate: () => import("./webhook-rotate.ts"),
    test: () => import("./webhook-test.ts"),
  },
};
