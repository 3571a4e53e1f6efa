/** The arithmetic of majorities: of voters, learners do not count (etcd.io, "FAQ: What is failure tolerance?"). */

export interface Quorum {
  voters: number;
  /** Voters that must agree. */
  needed: number;
  /** Voters that answer and know a leader. */
  alive: number;
  /** How many of those that are alive may still fail; negative when the quorum is lost, and by how many. */
  canLose: number;
}

export function quorumOf(voters: number, alive: number): Quorum {
  const needed = Math.floor(voters / 2) + 1;
  return { voters, needed, alive, canLose: alive - needed };
}

export function quorumText({ voters, needed, alive, canLose }: Quorum): string {
  if (voters === 0) return 'no member answers, so it is not known how many there are';
  const has = `${alive} of ${voters} voters answer, ${needed} are needed`;
  if (canLose < 0) return `${has}: the quorum is lost, and etcd refuses writes`;
  return `${has}: ${canLose === 0 ? 'none may fail' : canLose === 1 ? '1 more may fail' : `${canLose} more may fail`}`;
}
