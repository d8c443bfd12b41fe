// `slum tenant`: the commands about tenants.
import { inGroup } from "./other-words.ts";

export default {
  name: "tenant",
  summary: "Give domains to services on servers",
  elsewhere: inGroup("tenant"),
  commands: {
    add: () => import("./tenant-add.ts"),
    list: () => import("./tenant-list.ts"),
    delete: () => import("./tenant-delete.ts"),
    move: () => import("./tenant-move.ts"),
  },
};
