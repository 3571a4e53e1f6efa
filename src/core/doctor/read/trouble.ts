import type { Span } from '../text-file.ts';

/** Why a file, or part of it, was not checked; each kind has a rule in rules/files.ts. */
export interface Trouble {
  kind:
    | 'binary'
    | 'byte-order-mark'
    | 'special'
    | 'large'
    | 'empty'
    | 'unreadable'
    | 'unreachable'
    | 'refused'
    | 'encoding'
    | 'template'
    | 'syntax'
    | 'unclosed'
    | 'duplicate-key'
    | 'aliases'
    | 'unrecognised'
    | 'include';
  at: Span;
  /** What exactly, in a clause. */
  detail: string;
}
