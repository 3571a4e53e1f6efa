import type { FleetRecord, WriterRecord } from '../../../src/core/drill/fleet.ts';
import type { ConnectionRecord, DrillRecord, RequestRecord, WatchRecord } from '../../../src/core/drill/record.ts';

/** Ten writers once a second and three watchers that see each write 5 ms after it; the first two lose their watches with the fault, and go on. */
export function quietFleet(): FleetRecord {
  const writers: WriterRecord[] = Array.from({ length: 10 }, () => ({ writes: [], reads: [], final: null }));
  const events: number[] = [];
  for (let sequence = 1; sequence <= 10; sequence++) {
    for (const [writer, record] of writers.entries()) {
      const resourceVersion = 1000 + events.length / 3;
      const sentMs = FAULT_MS - 2000 + sequence * 1000 + writer * 100;
      record.writes.push({ sequence, sentMs, endMs: sentMs + 8, outcome: 'acknowledged', resourceVersion });
      record.final = { after: sequence, sequence, resourceVersion };
      events.push(writer, sequence, resourceVersion);
    }
  }
  const list = { resourceVersion: 999, sequences: writers.map(() => 0), events: 0 };
  const gap = { heardMs: FAULT_MS - 90, lostMs: FAULT_MS + 300, resumedMs: FAULT_MS + 350, server: 'cp1', error: 'ECONNRESET' };
  const watchers = [[{ ...gap }], [{ ...gap, resumedMs: FAULT_MS + 400 }], []].map((gaps) => ({
    lists: [{ ...list }],
    events: [...events],
    gaps,
  }));
  const gets = [
    { startMs: FAULT_MS - 50, endMs: FAULT_MS - 30, ok: true },
    { startMs: FAULT_MS + 50, endMs: FAULT_MS + 370, ok: true },
  ];
  return { writers, watchers, gets, stoppedMs: FAULT_MS + 9000, endMs: FAULT_MS + 9100 };
}

export const FAULT_MS = 100_000;

/**
 * cp1 holds the address and crashes at FAULT_MS; cp2 answers 305 ms later; cp1 comes back after 6.5 s. 5 ms between requests. Of the
 * connections the first 96 live on cp1 and are reset, the idle ones among them 100 ms later than the others; the rest live on cp2 and are kept.
 */
export function ownerCrashRecord(): DrillRecord {
  const requests: RequestRecord[] = [];
  for (let i = 0; i < 2200; i++) {
    const startMs = FAULT_MS - 2000 + i * 5 + 2;
    const ok = startMs < FAULT_MS || startMs > FAULT_MS + 305;
    const server = startMs < FAULT_MS ? `cp${1 + (i % 3)}` : `cp${2 + (i % 2)}`;
    requests.push(ok ? { startMs, endMs: startMs + 2.5, ok, server } : { startMs, endMs: startMs + 1000, ok, error: 'time-out' });
  }
  const connections: ConnectionRecord[] = Array.from({ length: 300 }, (_, i) => {
    const idle = i % 4 === 3;
    const common = { openedMs: FAULT_MS - 5000 + i * 10, ...(idle && { idle }), lastAnswerMs: FAULT_MS + 8500, longestWaitMs: 2 };
    const resetMs = FAULT_MS + 310 + i * 5 + (idle ? 100 : 0);
    return i < 96 ? { ...common, server: 'cp1', lastAnswerMs: FAULT_MS - 500, resetMs, error: 'ECONNRESET' } : { ...common, server: 'cp2' };
  });
  const watch: WatchRecord = { askedMs: [], answers: [] };
  for (let timeMs = FAULT_MS - 2000; timeMs < FAULT_MS + 9000; timeMs += 1) {
    const round = watch.askedMs.push(timeMs) - 1;
    const host = timeMs < FAULT_MS ? 'cp1' : timeMs > FAULT_MS + 300 ? 'cp2' : undefined;
    if (host !== undefined)
      watch.answers.push(
        { round, host, how: 'arp', heardMs: timeMs + 0.1 },
        { round, host, asked: host, how: 'tcp', heardMs: timeMs + 0.2 },
      );
  }
  const marks: DrillRecord['marks'] = [
    { timeMs: FAULT_MS, label: 'cp1 vanishes', kind: 'fault' },
    { timeMs: FAULT_MS + 6500, label: 'cp1 returns', kind: 'undo' },
  ];
  const course = { datapath: 'proxy' as const, struck: ['cp1'], handOvers: [] };
  return { course, requests, connections, watch, marks, probeLagMs: 1.2 };
}
