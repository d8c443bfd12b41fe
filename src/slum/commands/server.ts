// `slum server`: the commands about servers.
import { inGroup } from "./other-words.ts";

export default {
  name: "server",
  summary: "Register tenements, and take them in and out of traffic",
  elsewhere: inGroup("server"),
  commands: {
    add: () => import("./server-add.ts"),
    set: () => import("./server-set.ts"),
    list: () => import("./server-list.ts"),
    delete: () => import("./server-delete.ts"),
    drain: () => import("./server-drain.ts"),
    undrain: () => import("./server-undrain.ts"),
    check: () => import("./server-check.ts"),
  },
};
