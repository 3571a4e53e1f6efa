/**
 * Which host an answer proves to answer for the address. One place, because it differs by datapath:
 *
 * - ARP and NDP: the host that answered, always. Nobody else speaks in its name.
 * - TCP with `nat`, `ipvs` and `proxy`: a host serves what it is asked itself, so an answer counts when the host that was asked gave it. After a
 *   hand-over a host passes new connections on to its successor: that answer comes from the successor, which proves itself by its own
 *   knocks, and says nothing of the host that passed it on.
 * - TCP with `dsr`: whoever is asked steers the segment to an API server, which answers by itself, from any host. So an answer counts for the
 *   host that was asked: it steered, or served. Not so in a drill of a planned hand-over: there the old holder is meant to steer, for the
 *   grace time, what clients with a stale neighbour entry still send it; only ARP and NDP tell who holds.
 */
import type { Answer, DrillCourse, WatchRecord } from './record.ts';

export type ProofRule = Pick<DrillCourse, 'datapath' | 'plannedHandOver'>;

/** Undefined when the answer proves nothing. */
export function provenHost({ how, asked, host }: Answer, { datapath, plannedHandOver }: ProofRule): string | undefined {
  if (how !== 'tcp') return host;
  if (datapath === 'dsr') return plannedHandOver ? undefined : asked;
  return asked === host ? host : undefined;
}

/** The watch with the answers that prove something alone, each under the name of the host it proves. */
export function provenAnswers({ askedMs, answers }: WatchRecord, rule: ProofRule): WatchRecord {
  const proven = answers.flatMap((answer) => {
    const host = provenHost(answer, rule);
    return host === undefined ? [] : [{ ...answer, host }];
  });
  return { askedMs, answers: proven };
}
