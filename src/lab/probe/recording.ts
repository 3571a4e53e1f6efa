/** Reads what the probe and the watch wrote; apart from these, as neither needs a reader. */
import * as z from 'zod';
import { HaleError } from '../../base/error.ts';
import type { ConnectionRecord, RequestRecord, WatchRecord } from '../../core/drill/record.ts';
import type { ProbeRecord, Recording } from './recorder.ts';

const timeMs = z.number();
const words = z.string().exactOptional();

const probeRecord: z.ZodType<ProbeRecord> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('request'), startMs: timeMs, endMs: timeMs, ok: z.boolean(), server: words, error: words }),
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
