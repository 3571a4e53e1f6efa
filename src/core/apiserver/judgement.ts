import type { Cluster } from '../cluster/schema.ts';
import type { Figures } from './figures.ts';
import type { MetricName } from './metrics.ts';

export type Thresholds = Cluster['thresholds'];

export type JudgementId =
  | 'unreachable'
  | 'restarted'
  | 'request-rate-spread'
  | 'request-p99'
  | 'etcd-p99'
  | 'in-flight'
  | 'rejected'
  | 'memory'
  | 'failures'
  | 'client-certificates'
  | 'scrape';

/** `not-judged`: nothing is known, which is not good news. */
export type Verdict = 'good' | 'finding' | 'not-judged';

export interface Judgement {
  id: JudgementId;
  /** Host of the API server. */
  instance: string;
  verdict: Verdict;
  value: number | null;
  threshold: number | null;
  unit: 'percent' | 'ms' | 'requests' | 'events' | null;
  /** What was seen, in a sentence without its host. */
  says: string;
  /** Both only of findings. */
  why: string | null;
  remedy: string | null;
}

/** An API server that was asked, and what came of it. */
export interface Instance {
  name: string;
  /** Null when it could not be asked twice; then `problem` says why. */
  figures: Figures | null;
  problem: string | null;
  /** Null where nobody knows how much memory its host has. */
  hostMemoryBytes: number | null;
}

type Said = Partial<Omit<Judgement, 'id' | 'instance' | 'verdict'>> & { says: string };
type Finding = Said & { why: string; remedy: string };

/** Makes the judgements about one API server. */
export function judging(instance: string) {
  const of = (verdict: Verdict) => (id: JudgementId, said: Said) => {
    return { id, instance, verdict, value: null, threshold: null, unit: null, why: null, remedy: null, ...said } satisfies Judgement;
  };
  const [finding, good, notJudged] = [of('finding'), of('good'), of('not-judged')];
  return {
    finding: (id: JudgementId, said: Finding) => finding(id, said),
    notJudged: (id: JudgementId, says: string) => notJudged(id, { says }),
    /** A finding when the value is above the threshold. */
    compare(id: JudgementId, said: Finding & { value: number; threshold: number }): Judgement {
      return said.value > said.threshold ? finding(id, said) : good(id, { ...said, why: null, remedy: null });
    },
  };
}

export type About = ReturnType<typeof judging>;

/** Why a figure is null. */
export function lack({ restarted, missing }: Figures, ...needed: MetricName[]): string {
  const gone = missing.filter((name) => needed.includes(name));
  if (gone.length > 0) return `it serves no ${gone.join(', ')}`;
  return restarted ? 'it restarted between the two scrapes' : 'its counters do not tell';
}

/** With one digit behind the point. */
export function percent(part: number, whole: number): number {
  return Math.round((part / whole) * 1000) / 10;
}
