import type { Facts } from './facts.ts';
import type { Severity } from './finding.ts';
import type { Edit, Span } from './text-file.ts';

/** Files by path. They are the rule's tests and its documentation. */
export type Example = Readonly<Record<string, string>>;

/** What a rule found. */
export interface Hit {
  at: Span;
  /** What is wrong here, with the value that was found; a clause without a full stop. */
  message: string;
  /** Only where the replacement is right whatever else the file says. */
  edits?: readonly Edit[];
}

/** One thing that is known to go wrong: data, and a pure function. */
export interface Rule {
  /** Program first, in kebab-case: `haproxy-tunnel-timeout`. Never changes its meaning. */
  id: string;
  /** `error`: it does not work, or loses data or the address; `warning`: it fails when something else does; `info`: outdated or needless. */
  severity: Severity;
  /** What is wrong in general; a clause without a full stop. */
  title: string;
  /** What the user will suffer; one to three sentences. */
  why: string;
  /** The way out; one or two sentences. */
  fix: string;
  /** Where that is known from: a manual and its keyword, an RFC section, a URL, an issue such as `kube-vip #684`. */
  sources: readonly string[];
  /** Each bad example makes this rule hit, each good one does not; both as short as the matter allows. Where no text can be bad, `badInWords` is what is. */
  examples: { bad: readonly Example[]; good: readonly Example[]; badInWords?: string };
  check(facts: Facts): Iterable<Hit>;
}
