/** Starts the probe and the watch as processes of their own, in whichever namespaces the given command leads to, and collects what they recorded. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { HaleError } from '../../base/error.ts';
import type { FleetRecord } from '../../core/drill/fleet.ts';
import type { WatchRecord } from '../../core/drill/record.ts';
import { programFile, REALTIME_NODE_FLAGS } from '../../drivers/program.ts';
import type { FleetOptions } from './fleet/options.ts';
import type { ProbeOptions, WatchOptions } from './options.ts';
import type { Recording } from './recorder.ts';
import { readFleet, readRecording, readWatch } from './recording.ts';

export interface Instrument<Record> {
  pid: number;
  /** Ends the recording and returns it. */
  stop(): Promise<Record>;
  /** Ends the process, and drops what it recorded. */
  abandon(): Promise<void>;
}

export type Probe = Instrument<Recording>;
export type Watch = Instrument<WatchRecord>;

/** `prefix` is the command that enters the client's host, for example `['ip', 'netns', 'exec', 'client']`; empty for this host. Resolves when the traffic runs. */
export function startProbe(prefix: readonly string[], options: ProbeOptions): Promise<Probe> {
  return startInstrument(prefix, { file: programFile('lab/probe/main'), options, read: readRecording });
}

/** Like `startProbe`, for the watch over who answers for the address. */
export function startWatch(prefix: readonly string[], options: WatchOptions): Promise<Watch> {
  return startInstrument(prefix, { file: programFile('lab/probe/watcher'), options, read: readWatch });
}

/** Like `startProbe`, for a fleet of clients of a real API server. */
export function startFleet(prefix: readonly string[], options: FleetOptions): Promise<Instrument<FleetRecord>> {
  return startInstrument(prefix, { file: programFile('lab/probe/fleet/main'), options, read: readFleet });
}

interface Start<Record> {
  /** Of a program that runs `serve`. */
  file: string;
  options: { outFile: string };
  read: (text: string) => Record;
}

/** Like `startProbe`, for a program of the caller's own. */
export async function startInstrument<Record>(
  prefix: readonly string[],
  { file, options, read }: Start<Record>,
): Promise<Instrument<Record>> {
  const argv = [...prefix, process.execPath, ...REALTIME_NODE_FLAGS, file];
  const child = spawn(argv[0] as string, argv.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint = `${complaint}${chunk.toString()}`.slice(-4000)));
  // An instrument that is gone shows in its exit; the pipe's own error says nothing more.
  child.stdin.on('error', () => {});
  const said = new Set<string>();
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => said.add(line));
  const exited = new Promise<void>((resolve) =>
    child.once('close', () => resolve()).once('error', (error) => ((complaint += error.message), resolve())),
  );

  const reach = async (word: string): Promise<void> => {
    while (!said.has(word)) {
      const gone = await Promise.race([once(lines, 'line').then(() => false), exited.then(() => true)]);
      if (gone && !said.has(word)) throw probeFailed(word, complaint);
    }
  };
  child.stdin.write(`${JSON.stringify(options)}\n`);
  await reach('ready');
  return {
    pid: child.pid as number,
    stop: async () => {
      child.stdin.write('stop\n');
      await reach('end');
      await exited;
      return read(await readFile(options.outFile, 'utf8'));
    },
    abandon: async () => {
      child.stdin.end();
      await exited;
    },
  };
}

function probeFailed(word: string, complaint: string): HaleError {
  return new HaleError({
    code: 'probe_failed',
    kind: 'world',
    message: `an instrument in the client's host ended before it said ${JSON.stringify(word)}: ${complaint.trim() || 'it gave no reason'}`,
    remedy: 'see that the lab is up (hale lab status) and run the drill again',
  });
}
