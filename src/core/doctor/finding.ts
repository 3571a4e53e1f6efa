import type { Edit } from './text-file.ts';

export type Severity = 'error' | 'warning' | 'info';

/** Most serious first. */
export const SEVERITIES: readonly Severity[] = ['error', 'warning', 'info'];

/** Something wrong, and where. */
export interface Finding {
  /** Of the rule, for example `haproxy-tunnel-timeout`. */
  id: string;
  severity: Severity;
  file: string;
  /** Both from 1. */
  line: number;
  column: number;
  /** What, with the value that was found. */
  message: string;
  why: string;
  /** The way out, in words. */
  fix: string;
  /** The way out as replacements in the file, where one can be made safely. */
  edits: readonly Edit[];
  /** In hale's documentation. */
  url: string;
}
