/** Reads what the probe and the watch wrote; apart from these, as neither needs a reader. */
import * as z from 'zod';
import { HaleError } from '../../base/error.ts';
import type { FleetRecord, ReadRecord } from '../../core/drill/fleet.ts';
import type { ConnectionRecord, RequestRecord, WatchRecord } from '../../core/drill/record.ts';
import type { ProbeRecord, Recording } from './recorder.ts';

const timeMs = z.number();
const words = z.string().exactOptional();

const requestFields = { startMs: timeMs, endMs: timeMs, ok: z.boolean(), server: words, error: words };

const probeRecord: z.ZodType<ProbeRecord> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('request'), ...requestFields }),
  z.object({
    type: z.literal('connection'),
    openedMs: timeMs,
    server: words,
    idle: z.literal(true).exactOptional(),
    lastAnswerMs: timeMs,
    longestWaitMs: timeMs,
    waitingSinceMs: timeMs.exactOptional(),
    resetMs: timeMs.exactOptional(),
    error: words,
  }),
  z.object({ type: z.literal('end'), probeLagMs: timeMs }),
]);

/**
 * The text a Recorder wrote -> what was observed. Throws HaleError `recording_unreadable`, also for one that was cut short: a part would
 * give wrong numbers.
 */
export function readRecording(text: string): Recording {
  const recording: Recording = { requests: [], connections: [], probeLagMs: 0 };
  const lines = text.split('\n');
  const end = lines.length - 2;
  for (const [i, line] of lines.slice(0, -1).entries()) {
    const record = probeRecord.safeParse(parseJson(line)).data;
    if (record === undefined || (record.type === 'end') !== (i === end)) throw unreadable(`line ${i + 1} is no record that belongs there`);
    const { type, ...rest } = record;
    if (type === 'request') recording.requests.push(rest as RequestRecord);
    else if (type === 'connection') recording.connections.push(rest as ConnectionRecord);
    else recording.probeLagMs = record.probeLagMs;
  }
  if (end < 0 || lines.at(-1) !== '') throw unreadable('it is not complete');
  return recording;
}

const watchRecord: z.ZodType<WatchRecord> = z.object({
  askedMs: z.array(timeMs),
  answers: z.array(
    z.object({ round: z.int().min(0), host: z.string(), asked: words, how: z.enum(['arp', 'ndp', 'tcp']), heardMs: timeMs }),
  ),
});

/** Throws HaleError `recording_unreadable`: every answer belongs to a round, and rounds are in the order of time. */
export function readWatch(text: string): WatchRecord {
  const watch = watchRecord.safeParse(parseJson(text)).data;
  if (watch === undefined) throw unreadable('the watch wrote something else, or not all');
  const { askedMs, answers } = watch;
  if (answers.some(({ round }) => round >= askedMs.length)) throw unreadable('an answer belongs to no round');
  if (askedMs.some((ms, i) => i > 0 && ms < (askedMs[i - 1] as number))) throw unreadable('the rounds are not in the order of time');
  return watch;
}

const whole = z.int().min(0);
const readRecord: z.ZodType<ReadRecord> = z.object({ after: whole, sequence: whole, resourceVersion: whole });

const fleetRecord: z.ZodType<FleetRecord> = z.object({
  writers: z.array(
    z.object({
      writes: z.array(
        z.object({
          sequence: whole,
          sentMs: timeMs,
          endMs: timeMs,
          outcome: z.enum(['acknowledged', 'found', 'absent', 'unread']),
          resourceVersion: whole.exactOptional(),
          error: words,
        }),
      ),
      reads: z.array(readRecord),
      final: readRecord.nullable(),
    }),
  ),
  watchers: z.array(
    z.object({
      lists: z.array(z.object({ resourceVersion: whole, sequences: z.array(whole), events: whole })),
      events: z.array(whole),
      gaps: z.array(z.object({ heardMs: timeMs, lostMs: timeMs, resumedMs: timeMs.nullable(), server: words, error: words })),
    }),
  ),
  gets: z.array(z.object(requestFields)),
  stoppedMs: timeMs,
  endMs: timeMs,
});

/** Throws HaleError `recording_unreadable`: every event has its three numbers, and lists are in the order of their events. */
export function readFleet(text: string): FleetRecord {
  const fleet = fleetRecord.safeParse(parseJson(text)).data;
  if (fleet === undefined) throw unreadable('the fleet wrote something else, or not all');
  for (const { lists, events } of fleet.watchers) {
    const places = [...lists.map((list) => list.events), events.length / 3];
    const ordered = places.every((place, i) => place >= (places[i - 1] ?? 0));
    if (events.length % 3 !== 0 || !ordered || (lists.length === 0 && events.length > 0))
      throw unreadable('the events of a watcher do not fit its lists');
  }
  return fleet;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

const unreadable = (detail: string) =>
  new HaleError({
    code: 'recording_unreadable',
    kind: 'world',
    message: `the recording of the drill cannot be used: ${detail}`,
    remedy: 'run the drill again; is there room on the disk?',
  });
