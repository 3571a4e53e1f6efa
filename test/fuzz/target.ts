/** A reader of bytes from outside, and what must hold for whatever it is given. */
export interface Target {
  name: string;
  /** What must hold, as a sentence. */
  property: string;
  /** Inputs that the encoders make, or that are worth trying first. */
  seeds: readonly Uint8Array[];
  /** Throws when the property does not hold. */
  run(input: Uint8Array): void;
  /** Tokens are words and signs of a text, not bytes. */
  text?: boolean;
  /** Puts right what a random change nearly always breaks, as a checksum; done to every other mutant. */
  repair?(input: Uint8Array): Uint8Array;
  /** Longest input. */
  maxLength?: number;
  /** Inputs between two looks at the coverage; fewer where one takes long. */
  batch?: number;
  /** Mutants in `npm test`, where the default takes too long. */
  quickExecutions?: number;
  /** An input that takes longer, and has the processor for half of it, is a finding. By default far above what any reader takes. */
  hangMs?: number;
}
