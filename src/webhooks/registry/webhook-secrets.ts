// The signing secrets of receivers: in clear in memory, sealed in the database where there is a key.
import { isSealed, type SecretBox } from "../../platform/storage/secret-box.ts";
import type { Statements } from "../../platform/storage/table-copy.ts";
import type { NewWebhookRow, WebhookRow } from "./tables.ts";

type Secrets = Partial<Pick<NewWebhookRow, "secret" | "oldSecret">>;

export class WebhookSecrets {
  readonly #box: SecretBox | undefined;
  /** Receivers whose secrets lie in the database in clear, though there is a key: an older version has written them. */
  readonly inClear = new Set<string>();

  constructor(box: SecretBox | undefined) {
    this.#box = box;
  }

  /** A row as it lies in the database, for use; a secret that this key does not open stays sealed. */
  opened(row: WebhookRow): WebhookRow {
    if (this.#box && !isSealed(row.secret)) this.inClear.add(row.id);
    else this.inClear.delete(row.id);
    const open = (text: string) => (isSealed(text) && this.#box?.open(text, row.id)) || text;
    return { ...row, secret: open(row.secret), oldSecret: row.oldSecret && open(row.oldSecret) };
  }

  /** Statements that seal what they write. */
  sealing(
    statements: Statements<WebhookRow, NewWebhookRow, string>,
  ): Statements<WebhookRow, NewWebhookRow, string> {
    return {
      insert: (values) => this.opened(statements.insert(this.#sealed(values, values.id))),
      update: (id, change) => statements.update(id, this.#sealed(change, id)),
      remove: (id) => statements.remove(id),
    };
  }

  #sealed<Values extends Secrets>(values: Values, id: string): Values {
    const box = this.#box;
    if (box === undefined) return values;
    const seal = (text: string) => (isSealed(text) ? text : box.seal(text, id));
    return {
      ...values,
      ...(values.secret && { secret: seal(values.secret) }),
      ...(values.oldSecret && { oldSecret: seal(values.oldSecret) }),
    };
  }
}
