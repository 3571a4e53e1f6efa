import { writeSync } from 'node:fs';
import type { Log } from '../../ports/log.ts';

/** Lines like those of the agent's log, on the same stderr, without loading the library that makes those. */
export function createGuardianLog(host: string): Pick<Log, 'info' | 'warn' | 'error'> {
  const write = (level: string) => (facts: object, msg: string) => {
    const line = `${JSON.stringify({ level, time: new Date().toISOString(), host, program: 'guardian', ...facts, msg })}\n`;
    try {
      writeSync(2, line);
    } catch {
      // Whoever read it died with the agent; there is work to do all the same.
    }
  };
  return { info: write('info'), warn: write('warn'), error: write('error') };
}

export type GuardianLog = ReturnType<typeof createGuardianLog>;
