import { createInterface } from 'node:readline';
import { leave } from '../../drivers/linux/leave.ts';

export interface Course {
  /** To be called when the traffic runs. */
  ready(): void;
  stopped: Promise<void>;
}

/**
 * A program that measures: reads its options as one line on stdin, says `ready` once it measures, goes on until it reads `stop` (or gets
 * SIGTERM), and says `end` when its file is complete. When its stdin closes, its parent is gone: it ends at once.
 */
export async function serve<Options>(work: (options: Options, course: Course) => Promise<void>): Promise<never> {
  const lines = createInterface({ input: process.stdin });
  const stopped = new Promise<void>((resolve) => {
    lines.on('line', (line) => {
      if (line === 'stop') resolve();
    });
    process.once('SIGTERM', resolve);
  });
  lines.once('close', () => leave(0));
  const options = await new Promise<Options>((resolve) => lines.once('line', (line) => resolve(JSON.parse(line) as Options)));
  await work(options, { ready: () => void process.stdout.write('ready\n'), stopped });
  process.stdout.write('end\n');
  leave(0);
}
