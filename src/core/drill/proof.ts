/**
 * Which host an answer proves to answer for the address. One place, because it differs by datapath:
 *
 * - ARP and NDP: the host that answered, always. Nobody else speaks in its name.
 * - TCP with `nat`, `ipvs` and `proxy`: a host serves what it is asked itself, so an answer counts when the host that was asked gave it. After a
 *   hand-over a host passes new connections on to its successor: that answer comes from the successor, which proves itself by its own
 *   knocks, and says nothing of the host that passed it on.
 * - TCP with `dsr`: whoever is asked steers the segment to an API server, which answers by itself, from any host. So an answer counts for the
 *   host that was asked: it steered, or served. Not so for a host that has just handed the address over: for the grace time it is meant to
 *   steer what clients with a stale neighbour entry still send it. That is known from its agent's own word, which excuses nothing else: not
 *   another host, not a later moment, and never an answer on the link.
 */
import { DRAIN_GRACE_MS, RESET_MARGIN_MS } from '../balancer/timing.ts';
import type { Answer, DrillCourse, WatchRecord } from './record.ts';

/** As long as the kernel of the old holder may steer, whatever becomes of its agent. */
const STEERS_ON_MS = DRAIN_GRACE_MS + RESET_MARGIN_MS;
/** More than passes between the moment at which the kernel stops answering and the one that its agent writes down, to which the grace time counts. */
const SAID_LATE_MS = 100;

export type ProofRule = Pick<DrillCourse, 'datapath' | 'handOvers'>;

/** `askedMs` is when the question was sent. Undefined when the answer proves nothing. */
export function provenHost(
  { how, asked, host, askedMs }: Omit<Answer, 'round'> & { askedMs: number },
  rule: ProofRule,
): string | undefined {
  if (how !== 'tcp') return host;
  if (rule.datapath !== 'dsr') return asked === host ? host : undefined;
  const steersOn = rule.handOvers.some(
    ({ host: old, atMs }) => old === asked && askedMs >= atMs - SAID_LATE_MS && askedMs <= atMs + STEERS_ON_MS,
  );
  return steersOn ? undefined : asked;
}

/** The watch with the answers that prove something alone, each under the name of the host it proves. */
export function provenAnswers({ askedMs, answers }: WatchRecord, rule: ProofRule): WatchRecord {
  const proven = answers.flatMap((answer) => {
    const host = provenHost({ ...answer, askedMs: askedMs[answer.round] as number }, rule);
    return host === undefined ? [] : [{ ...answer, host }];
  });
  return { askedMs, answers: proven };
}
