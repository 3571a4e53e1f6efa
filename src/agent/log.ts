import pino from 'pino';
import type { Log } from '../ports/log.ts';

/** JSON lines on stderr, written before the call returns: the last words of a process that dies are the ones that matter. */
export function createLog(options: { level: string; host: string }): Log {
  const destination = pino.destination({ fd: 2, sync: true });
  const formatters = { level: (label: string) => ({ level: label }) };
  return pino({ level: options.level, base: { host: options.host }, timestamp: pino.stdTimeFunctions.isoTime, formatters }, destination);
}
