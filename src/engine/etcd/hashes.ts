import { HaleError } from '../../base/error.ts';
import type { HashComparison, MemberHash } from '../../core/etcd/check/hashes.ts';
import type { EtcdView } from '../../core/etcd/view.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import { pause } from './pause.ts';

const ATTEMPTS = 12;
const BETWEEN_MS = 250;

interface Voter {
  id: string;
  url: string;
}

/** What became of one question for a hash: nothing came for the `moving` ones, since the member's history does not reach that revision (yet, or any more). */
type Asked = { voter: Voter; revision: number } & ({ hash: MemberHash } | { moving: string } | { failed: string });

export interface HashOptions {
  view: EtcdView;
  /** With the ordinary time-out. */
  etcd: EtcdAdmin;
  /** With a long one: a hash takes seconds for each GiB. */
  patient: EtcdAdmin;
  clock: Clock;
}

/**
 * Hashes of all members at the highest revision that all have applied. A compaction between two answers makes them incomparable, so that it asks again for three
 * seconds; a member that is so far behind that the others have compacted its revision is waited for as long, then left out. Never fails.
 */
export async function compareHashes({ view, etcd, patient, clock }: HashOptions): Promise<HashComparison> {
  const missing = new Map<string, string>();
  let voters: Voter[] = [];
  for (const { id, url, status, isLearner } of view.members) {
    if (status === null || url === null) missing.set(id, 'gave no answer, so that its keys could not be compared');
    else if (isLearner) missing.set(id, 'is a learner, which etcd lets tell nothing but its status: its keys could not be compared');
    else voters.push({ id, url });
  }
  let last: { revision: number | null; hashes: MemberHash[] } = { revision: null, hashes: [] };
  for (let attempt = 1; voters.length > 0 && attempt <= ATTEMPTS; attempt++) {
    const asked = await askAll(voters, { etcd, patient });
    const hashes = asked.flatMap((answer) => ('hash' in answer ? [answer.hash] : []));
    const failed = asked.flatMap((answer) => ('failed' in answer ? [answer] : []));
    for (const { voter, failed: why } of failed) missing.set(voter.id, why);
    voters = voters.filter((voter) => !failed.some((answer) => answer.voter === voter));
    const moving = asked.flatMap((answer) => ('moving' in answer ? [answer] : []));
    const isSame = new Set(hashes.map(({ compactRevision }) => compactRevision)).size <= 1;
    last = { revision: asked[0]?.revision ?? null, hashes };
    if (moving.length === 0 && isSame && hashes.length > 0) break;
    if (attempt === ATTEMPTS - 1 && moving.length > 0) voters = withoutSlowest(voters, { asked, missing });
    if (attempt === ATTEMPTS) for (const { voter, moving: why } of moving) missing.set(voter.id, why);
    else await pause(clock, BETWEEN_MS);
  }
  return { ...last, missing };
}

type Answer = { voter: Voter; revision: number } | { voter: Voter; failed: string };

async function askAll(voters: readonly Voter[], { etcd, patient }: Pick<HashOptions, 'etcd' | 'patient'>): Promise<Asked[]> {
  const answers = await Promise.all(
    voters.map(async (voter): Promise<Answer> => {
      try {
        return { voter, revision: (await etcd.status(voter.url)).revision };
      } catch (error) {
        return { voter, failed: reasonOf(error) };
      }
    }),
  );
  const applied = answers.flatMap((answer) => ('revision' in answer ? [answer.revision] : []));
  const revision = Math.min(...applied);
  return await Promise.all(
    answers.map(async (answer): Promise<Asked> => {
      if ('failed' in answer) return { ...answer, revision };
      const { voter } = answer;
      try {
        return { voter, revision, hash: { memberId: voter.id, ...(await patient.hashKv(voter.url, revision)) } };
      } catch (error) {
        return isMoving(error)
          ? { voter, revision, moving: `could not be compared: ${reasonOf(error)}` }
          : { voter, revision, failed: reasonOf(error) };
      }
    }),
  );
}

/** The member whose revision the others do not keep any more is the one that was asked for the lowest. */
function withoutSlowest(voters: Voter[], { asked, missing }: { asked: readonly Asked[]; missing: Map<string, string> }): Voter[] {
  const slow = asked.filter((answer) => 'hash' in answer).map(({ voter }) => voter);
  if (slow.length === 0 || slow.length >= voters.length) return voters;
  for (const { id } of slow) missing.set(id, 'is so far behind that the others keep nothing to compare it with');
  return voters.filter((voter) => !slow.includes(voter));
}

/** etcd: "required revision has been compacted", "required revision is a future revision". */
function isMoving(error: unknown): boolean {
  return error instanceof HaleError && (error.code === 'etcd_compacted' || /future revision/.test(error.message));
}

function reasonOf(error: unknown): string {
  return error instanceof HaleError ? (error.reason ?? error.message) : (error as Error).message;
}
