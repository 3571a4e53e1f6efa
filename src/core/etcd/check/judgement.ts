/** `not-judged`: nothing is known, which is not good news. */
export type EtcdVerdict = 'good' | 'finding' | 'not-judged';
/** `critical`: etcd refuses writes, may lose some, or serves wrong data, or soon will. */
export type EtcdSeverity = 'critical' | 'warning';

export type EtcdJudgementId =
  | 'quorum'
  | 'answer'
  | 'leader'
  | 'lag'
  | 'error'
  | 'alarm'
  | 'stranger'
  | 'quota'
  | 'database'
  | 'disk'
  | 'peer-round-trip'
  | 'counters'
  | 'members'
  | 'learner'
  | 'zone'
  | 'version'
  | 'known-fault'
  | 'peer-url'
  | 'peer-certificate'
  | 'server-certificate'
  | 'client-certificate'
  | 'clock'
  | 'hash'
  | 'latency'
  | 'value-size'
  | 'compaction'
  | 'snapshot';

export interface EtcdJudgement {
  id: EtcdJudgementId;
  /** A member, `cluster`, or `this host`. */
  place: string;
  verdict: EtcdVerdict;
  /** Only of findings. */
  severity: EtcdSeverity | null;
  /** What was seen, as short as it goes; null where nothing was. */
  value: string | null;
  /** The same in a sentence without the place. */
  says: string;
  /** Both only of findings. */
  why: string | null;
  remedy: string | null;
}

interface Finding {
  severity: EtcdSeverity;
  value?: string;
  says: string;
  why: string;
  remedy: string;
}

/** Makes judgements about one thing at one place. */
export function judging(id: EtcdJudgementId, place: string) {
  const about = { id, place, severity: null, value: null, why: null, remedy: null };
  return {
    good: (says: string, value: string | null = null): EtcdJudgement => ({ ...about, verdict: 'good', says, value }),
    notJudged: (says: string): EtcdJudgement => ({ ...about, verdict: 'not-judged', says }),
    finding: ({ value = null, ...said }: Omit<Finding, 'value'> & { value?: string | null }): EtcdJudgement => ({
      ...about,
      verdict: 'finding',
      value,
      ...said,
    }),
  };
}

export const CLUSTER = 'cluster';
export const THIS_HOST = 'this host';

export function findingsOf(judgements: readonly EtcdJudgement[]): EtcdJudgement[] {
  const rank = ({ severity }: EtcdJudgement) => (severity === 'critical' ? 0 : 1);
  return judgements.filter(({ verdict }) => verdict === 'finding').toSorted((a, b) => rank(a) - rank(b));
}

/** `a`, `a and b`, `a, b and c`. */
export function listText(items: readonly string[]): string {
  return items.length < 2 ? (items[0] ?? '') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}
