import { execFile } from 'node:child_process';
import { programFile } from '../drivers/program.ts';
import type { Explanation } from '../ports/datapath.ts';
import type { Log } from '../ports/log.ts';

/** The whole ruleset of a large node takes a while to read. */
const PATIENCE_MS = 60_000;

/** Logs what on this host stands in the way of the address, and the line that mends it. In a process of its own: reading the rules of a large firewall takes longer than a lease may wait. */
export function sayObstacles({ file, log }: { file: string; log: Log }): void {
  const argv = [programFile('cli/main'), 'datapath', 'explain', '--json', '--config', file];
  execFile(process.execPath, argv, { timeout: PATIENCE_MS, maxBuffer: 16 << 20 }, (_, stdout) => {
    for (const { what, fix } of problemsOf(stdout)) log.warn({ problem: what, fix }, 'something stands in the way of the address');
  });
}

function problemsOf(json: string): Explanation['problems'] {
  try {
    return (JSON.parse(json) as { parts: Explanation[] }).parts.flatMap(({ problems }) => problems);
  } catch {
    // It could not ask the kernel; whoever runs `hale datapath explain` hears why.
    return [];
  }
}
