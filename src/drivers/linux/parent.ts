import { constants } from 'node:os';
import * as libc from './libc.ts';

const PR_SET_PDEATHSIG = 1;

/** From now on, a blocking system call of this process ends with EINTR when the thread that started this process ends (prctl(2)). */
export function interruptAtParentsEnd(): void {
  // The default of the signal would end this process.
  process.on('SIGUSR2', () => {});
  libc.siginterrupt(constants.signals.SIGUSR2, 1);
  libc.prctl(PR_SET_PDEATHSIG, constants.signals.SIGUSR2);
}
