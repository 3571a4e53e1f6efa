import type { HaleError } from '../../../base/error.ts';
import { type HashComparison, judgeHashes } from '../check/hashes.ts';
import { refusal } from '../refusal.ts';
import type { EtcdView } from '../view.ts';

/** Why the alarm CORRUPT must not be disarmed; null when all members are known to hold the same keys. */
export function corruptRefusal(view: EtcdView, comparison: HashComparison): HaleError | null {
  const [bad] = judgeHashes(view, comparison).filter(({ verdict }) => verdict !== 'good');
  return bad === undefined ? null : refusal('etcd_hashes_differ', `${bad.place}: ${bad.says}`);
}
