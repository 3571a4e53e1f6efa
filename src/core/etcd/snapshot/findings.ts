import type { Problems, StructureProblem } from '../bbolt/problem.ts';
import type { Structure } from '../bbolt/structure.ts';
import type { Content, ContentProblem } from './content.ts';

/** What a file is, without a trial. */
export interface SnapshotFindings {
  path: string;
  sizeBytes: number;
  /** `absent`: a copy of a database, which has none. Hexadecimal. */
  hash: { state: 'matches'; stored: string } | { state: 'differs'; stored: string; computed: string } | { state: 'absent' };
  /** Undefined when there is no page to begin with. */
  structure: Structure | undefined;
  content: Content | undefined;
  structureProblems: Problems<StructureProblem>;
  contentProblems: Problems<ContentProblem>;
}

export function isSound({ hash, structureProblems, contentProblems }: SnapshotFindings): boolean {
  return hash.state !== 'differs' && structureProblems.count === 0 && contentProblems.count === 0;
}
