// `slum webhook`: the commands about receivers of webhooks.
export default {
  name: "webhook",
  summary: "Tell somebody when servers stay down",
  commands: {
    add: () => import("./webhook-add.ts"),
    list: () => import("./webhook-list.ts"),
    delete: () => import("./webhook-delete.ts"),
    rotate: () => import("./webhook-rotate.ts"),
    test: () => import("./webhook-test.ts"),
  },
};
