import { spawnSync } from 'node:child_process';
import { findProgram } from '../../src/lab/find-program.ts';

/** Why promtool cannot be asked here, for the title of a skipped suite; undefined when it can. */
export function promtoolProblem(): string | undefined {
  return findProgram('promtool') === undefined ? 'skipped: no promtool: apt-get install prometheus' : undefined;
}

/** What promtool says, and whether it is content. */
export function promtool(...words: string[]): { ok: boolean; says: string } {
  const { status, stdout, stderr } = spawnSync(findProgram('promtool') as string, words, { encoding: 'utf8' });
  return { ok: status === 0, says: stdout + stderr };
}
