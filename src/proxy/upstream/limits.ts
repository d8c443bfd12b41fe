// The bounds of the HTTP client, all in one place.

export interface Limits {
  /** Exchanges in flight to one origin; beyond it requests wait in order. */
  readonly maxInFlight: number;
  /** Requests that wait for their turn at one origin; beyond it they fail at once. */
  readonly maxWaiting: number;
  /** How long an idle connection is kept: less than the 5 seconds after which a Node backend closes it. */
  readonly idleMs: number;
  /** How long a connection may have been idle and still carry a request that must not be sent twice. */
  readonly idleForUnrepeatableMs: number;
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  /** How many bytes of a body wait for a slow visitor before the connection is no longer read. */
  readonly streamBufferBytes: number;
  /** How often deadlines are looked at: they are kept this exactly. */
  readonly sweepMs: number;
}

export const defaultLimits: Limits = {
  maxInFlight: 1024,
  maxWaiting: 4096,
  idleMs: 4000,
  idleForUnrepeatableMs: 1000,
  maxHeadBytes: 262_144,
  maxFields: 512,
  streamBufferBytes: 65_536,
  sweepMs: 100,
};
