import { spawn } from 'node:child_process';
import { HaleError } from '../../base/error.ts';
import { CLEAN_ENVIRONMENT } from '../command.ts';
import type { Lab } from '../lab.ts';
import { identify, type ProcessIdentity } from '../process.ts';

/** By then the undo has ended it; this is for the case that nobody wrote down that it runs. */
const SPARE_MS = 5000;

/** Starts a process that goes on doing harm, as leader of a group, and ends by itself a little after `forMs`. */
export function startHarm(lab: Lab, options: { argv: readonly string[]; forMs: number }): ProcessIdentity {
  const seconds = ((options.forMs + SPARE_MS) / 1000).toFixed(3);
  const child = spawn('timeout', ['--signal=KILL', seconds, ...options.argv], { detached: true, stdio: 'ignore', env: CLEAN_ENVIRONMENT });
  // A failure to start shows as a missing number below.
  child.on('error', () => undefined);
  child.unref();
  const identity = child.pid === undefined ? undefined : identify(child.pid);
  if (identity !== undefined) return identity;
  throw new HaleError({
    code: 'lab_harm_failed',
    kind: 'world',
    message: `the process of a fault in lab ${lab.plan.name} could not be started`,
  });
}
