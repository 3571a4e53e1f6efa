import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const LEAVE = join(import.meta.dirname, '../../../src/drivers/linux/leave.ts');
/** Threads of V8 ask the main thread to collect garbage, and wait, most of the time; with process.exit() five of six such runs hung. */
const BUSY_THREADS = ['--stress-concurrent-allocation', '--max-old-space-size=64', '--max-semi-space-size=1', '--v8-pool-size=1'];

test('a process leaves at once, with its exit code and what was to be done then, also while a thread waits for it', async () => {
  const script = `
    import { leave } from '${LEAVE}';
    process.on('exit', (code) => console.log('leaves with', code));
    setTimeout(() => leave(3), 300);`;
  for (let i = 0; i < 8; i++) {
    const child = spawn(process.execPath, [...BUSY_THREADS, '--input-type=module-typescript', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 20_000,
      killSignal: 'SIGKILL',
    });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    expect([...(await once(child, 'close')), said]).toEqual([3, null, 'leaves with 3\n']);
  }
}, 180_000);
