import { sizeText } from '../size-text.ts';
import { CLUSTER, type EtcdJudgement, judging, listText } from './judgement.ts';

export interface SizedKey {
  /** Printable. */
  key: string;
  bytes: number;
}

/** What a bounded walk over all values found. */
export interface ValueScan {
  keys: number;
  bytes: number;
  /** How many keys there are. */
  total: number;
  complete: boolean;
  /** The largest values, the largest first. */
  largest: readonly SizedKey[];
}

/** Of the limit. */
const NEAR = 0.8;
const NAMED = 3;

/** `limitBytes`: etcd's --max-request-bytes. */
export function judgeValues(scan: ValueScan | { skipped: string }, limitBytes: number): EtcdJudgement[] {
  const about = judging('value-size', CLUSTER);
  if ('skipped' in scan) return [about.notJudged(`values were not looked at: ${scan.skipped}`)];
  const near = scan.largest.filter(({ bytes }) => bytes >= limitBytes * NEAR);
  const partly = about.notJudged(
    `only ${scan.keys} of ${scan.total} keys were looked at, after ${sizeText(scan.bytes)}: raise --scan-mib for more`,
  );
  if (near.length === 0) {
    const [first] = scan.largest;
    const most = first === undefined ? 'there is no value' : `the largest of ${scan.keys} values has ${sizeText(first.bytes)}`;
    return scan.complete ? [about.good(most, first === undefined ? null : sizeText(first.bytes))] : [partly];
  }
  const named = near.slice(0, NAMED).map(({ key, bytes }) => `${key} (${sizeText(bytes)})`);
  const more = near.length > NAMED ? ` and ${near.length - NAMED} more` : '';
  return [
    about.finding({
      severity: 'warning',
      value: sizeText(near[0]?.bytes ?? 0),
      says: `${listText(named)}${more}: near the ${sizeText(limitBytes)} that a request may have`,
      why: 'past it etcd refuses the write ("request is too large"), and its controller tries again for ever',
      remedy: 'make the object smaller or split it; raise --max-request-bytes on all members only as a last resort',
    }),
    ...(scan.complete ? [] : [partly]),
  ];
}
