// One table and its copy in memory: reads see the copy, writes go to the database first.

/** What one transaction may do to a table; the copy follows when it has committed. */
export interface Rows<Row, New> {
  add(values: New): Row;
  change(row: Row, change: Partial<Row>): void;
  remove(row: Row): void;
}

/** The statements that a copy needs; the stores write them, as only they speak SQL. */
export interface Statements<Row, New, Key> {
  insert(values: New): Row;
  update(key: Key, change: Partial<Row>): void;
  remove(key: Key): void;
}

export class TableCopy<Row extends object, New, Key> {
  readonly rows = new Map<Key, Row>();
  readonly #keyOf: (row: Row) => Key;
  readonly #onChange: (before: Row | undefined, after: Row | undefined) => void;

  /** `onChange` is called for each row that is inserted, updated or deleted. */
  constructor(
    keyOf: (row: Row) => Key,
    onChange: (before: Row | undefined, after: Row | undefined) => void = () => {},
  ) {
    this.#keyOf = keyOf;
    this.#onChange = onChange;
  }

  /** Replaces all rows without calling `onChange`. */
  load(rows: Iterable<Row>): void {
    this.rows.clear();
    for (const row of rows) this.rows.set(this.#keyOf(row), row);
  }

  /** What is in the database now; undefined: nothing. */
  set(key: Key, row: Row | undefined): void {
    const before = this.rows.get(key);
    if (row) this.rows.set(key, row);
    else this.rows.delete(key);
    if (before || row) this.#onChange(before, row);
  }

  /** `effects` are to be called in order when the transaction has committed, and never when it has not. */
  writer(statements: Statements<Row, New, Key>, effects: (() => void)[]): Rows<Row, New> {
    const keyOf = this.#keyOf;
    return {
      add: (values) => {
        const row = statements.insert(values);
        effects.push(() => this.set(keyOf(row), row));
        return row;
      },
      change: (row, change) => {
        statements.update(keyOf(row), change);
        effects.push(() => {
          const now = this.rows.get(keyOf(row));
          if (now) this.set(keyOf(row), { ...now, ...change });
        });
      },
      remove: (row) => {
        statements.remove(keyOf(row));
        effects.push(() => this.set(keyOf(row), undefined));
      },
    };
  }
}
