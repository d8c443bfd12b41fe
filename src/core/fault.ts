// The one error class of the program, and the one table that gives each of its codes a meaning to HTTP and the shell.

/** What each code means outside: the HTTP status of the admin API, the exit code of the command line. */
export const FAULTS = {
  internal: { status: 500, exit: 1 },
  usage: { status: 422, exit: 2 },
  not_found: { status: 404, exit: 3 },
  conflict: { status: 409, exit: 4 },
  unhealthy: { status: 409, exit: 5 },
  unreachable: { status: 502, exit: 6 },
  stopped_waiting: { status: 504, exit: 7 },
  unauthorised: { status: 401, exit: 8 },
  forbidden: { status: 403, exit: 8 },
  too_many: { status: 429, exit: 8 },
  rolled_back: { status: 409, exit: 9 },
  held: { status: 409, exit: 10 },
} as const;

export type FaultCode = keyof typeof FAULTS;

export interface FaultJson {
  readonly error: {
    readonly code: FaultCode;
    readonly message: string;
    readonly hint?: string;
    readonly details?: FaultDetails;
  };
}

/** Facts behind a fault for scripts, and for people as lines below the message. */
export type FaultDetails = Readonly<Record<string, unknown>>;

/**
 * An error that somebody can act on. `message` says what happened and to which thing, without a final dot;
 * `hint` says what to do next. Anything thrown that is not a Fault is a defect and is shown as `internal`.
 */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: FaultCode;
  readonly hint: string | undefined;

  readonly details: FaultDetails | undefined;

  constructor(
    code: FaultCode,
    message: string,
    hint?: string,
    more?: ErrorOptions & { details?: FaultDetails },
  ) {
    super(message, more);
    this.code = code;
    this.hint = hint;
    this.details = more?.details;
  }

  get status(): number {
    return FAULTS[this.code].status;
  }

  get exitCode(): number {
    return FAULTS[this.code].exit;
  }

  toJson(): FaultJson {
    const { code, message, hint, details } = this;
    return { error: { code, message, ...(hint !== undefined && { hint }), ...(details && { details }) } };
  }

  /** The Fault that another process sent as JSON; an unknown code becomes `internal`. */
  static fromJson(body: unknown): Fault | undefined {
    const error = (body as Partial<FaultJson> | null)?.error;
    if (typeof error?.message !== "string") return undefined;
    const code = Object.hasOwn(FAULTS, error.code ?? "") ? (error.code as FaultCode) : "internal";
    const details =
      typeof error.details === "object" && error.details !== null ? { details: error.details } : {};
    return new Fault(code, error.message, typeof error.hint === "string" ? error.hint : undefined, details);
  }
}

/** The text of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
