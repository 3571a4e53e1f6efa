import { readFileSync } from 'node:fs';

/** Why programs that give up root for a user of their own cannot run here; undefined when they can (user_namespaces(7), uid_map). */
export const singleUserProblem: string | undefined = isSingle()
  ? 'this user namespace has one user, and the program would become another'
  : undefined;

function isSingle(): boolean {
  const ranges = readFileSync('/proc/self/uid_map', 'utf8').trim().split('\n');
  return ranges.reduce((all, line) => all + Number(line.trim().split(/\s+/)[2]), 0) <= 1;
}
