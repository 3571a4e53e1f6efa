import type { ConnectionRecord, DrillRecord, RequestRecord, Sighting } from '../../../src/core/drill/record.ts';

export const FAULT_MS = 100_000;

/** cp1 holds the address and crashes at FAULT_MS; cp2 answers 305 ms later; cp1 comes back after 6.5 s. 5 ms between requests. */
export function ownerCrashRecord(): DrillRecord {
  const requests: RequestRecord[] = [];
  for (let i = 0; i < 2200; i++) {
    const startMs = FAULT_MS - 2000 + i * 5 + 2;
    const ok = startMs < FAULT_MS || startMs > FAULT_MS + 305;
    const server = startMs < FAULT_MS ? `cp${1 + (i % 3)}` : `cp${2 + (i % 2)}`;
    requests.push(ok ? { startMs, endMs: startMs + 2.5, ok, server } : { startMs, endMs: startMs + 1000, ok, error: 'time-out' });
  }
  const connections: ConnectionRecord[] = Array.from({ length: 300 }, (_, i) => {
    const record = { openedMs: FAULT_MS - 5000 + i * 10, lastAnswerMs: FAULT_MS + 8500, longestWaitMs: 2 };
    return i < 96 ? { ...record, lastAnswerMs: FAULT_MS - 500, resetMs: FAULT_MS + 310 + i * 5, error: 'ECONNRESET' } : record;
  });
  const sightings: Sighting[] = [];
  for (let timeMs = FAULT_MS - 2000; timeMs < FAULT_MS + 9000; timeMs += 5) {
    if (timeMs < FAULT_MS) sightings.push({ timeMs, host: 'cp1', how: 'arp' });
    if (timeMs > FAULT_MS + 300) sightings.push({ timeMs, host: 'cp2', how: timeMs % 10 === 0 ? 'tcp' : 'arp' });
  }
  const marks: DrillRecord['marks'] = [
    { timeMs: FAULT_MS, label: 'cp1 vanishes', kind: 'fault' },
    { timeMs: FAULT_MS + 6500, label: 'cp1 returns', kind: 'undo' },
  ];
  return { requests, connections, sightings, marks, probeLagMs: 1.2 };
}
