/** Exit codes of every command: 0 good, 1 a finding or a failed verdict, then these. */
export const EXIT_FINDING = 1;
export const EXIT_USAGE = 2;
export const EXIT_WORLD = 3;

export type HaleErrorKind = 'usage' | 'world';

export interface HaleErrorFacts {
  /** Stable identifier, listed in docs/reference/errors.md, for example `lab_not_found`. */
  code: string;
  /** `usage`: the user can mend the call or the file. `world`: something outside could not be reached or refused. */
  kind: HaleErrorKind;
  /** What went wrong and where, with the offending value. */
  message: string;
  /** The reason alone, for where the place stands beside it already. */
  reason?: string;
  /** What to do about it. */
  remedy?: string;
  cause?: unknown;
}

/** An operational failure with a code, a cause and a way out. Bugs are assertions, not HaleErrors. */
export class HaleError extends Error {
  readonly code: string;
  readonly kind: HaleErrorKind;
  readonly reason: string | undefined;
  readonly remedy: string | undefined;

  constructor(facts: HaleErrorFacts) {
    super(facts.message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = 'HaleError';
    this.code = facts.code;
    this.kind = facts.kind;
    this.reason = facts.reason;
    this.remedy = facts.remedy;
  }

  get exitCode(): number {
    return this.kind === 'usage' ? EXIT_USAGE : EXIT_WORLD;
  }
}
