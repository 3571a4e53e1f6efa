import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { boottime } from '../../../src/drivers/linux/boottime.ts';
import { errnoName } from '../../../src/drivers/linux/libc.ts';
import { lendPriority } from '../../../src/drivers/linux/scheduling.ts';
import { packageFolder, REALTIME_NODE_FLAGS } from '../../../src/drivers/program.ts';

const scheduling = new URL('../../../src/drivers/linux/scheduling.ts', import.meta.url).href;

/** In a child, as a class once taken stays. Field 41 of /proc/PID/stat is the policy; 1 is SCHED_FIFO (proc_pid_stat(5)). */
function becomeRealtimeInChild(priority: number): { effect: unknown; policy: string; policyOfChild: string } {
  const script = `
    const { becomeRealtime } = await import('${scheduling}');
    const { readFileSync } = await import('node:fs');
    const { execFileSync } = await import('node:child_process');
    const policy = (stat) => stat.slice(stat.lastIndexOf(')') + 2).split(' ')[38];
    const effect = becomeRealtime(${priority});
    const policyOfChild = policy(execFileSync('cat', ['/proc/self/stat'], { encoding: 'utf8' }));
    console.log(JSON.stringify({ effect, policy: policy(readFileSync('/proc/self/stat', 'utf8')), policyOfChild }));`;
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }));
}

const policyOf = (stat: string) => stat.slice(stat.lastIndexOf(')') + 2).split(' ')[38];
const uptimeMs = () => Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;

describe.skipIf(process.platform !== 'linux')('clock and scheduling of a Linux process', () => {
  test('the clock is that of the host, suspended time included (CLOCK_BOOTTIME, /proc/uptime)', () => {
    const before = uptimeMs();
    const now = boottime.now();
    const after = uptimeMs() + 10;
    expect(now).toBeGreaterThanOrEqual(before);
    expect(now).toBeLessThanOrEqual(after);
  });

  test('a timer never fires before its time, and not at all once cancelled', async () => {
    const cancelled: number[] = [];
    const early = await Promise.all(
      Array.from({ length: 200 }, (_, i) => {
        const time = boottime.now() + i / 7;
        boottime.at(time, () => cancelled.push(i)).cancel();
        return new Promise<number>((resolve) => boottime.at(time, () => resolve(boottime.now() - time)));
      }),
    );
    expect(Math.min(...early)).toBeGreaterThanOrEqual(0);
    expect(cancelled).toEqual([]);
  });

  test('a real-time class is taken, or declined with the reason; children stay in the normal class', () => {
    const { effect, policy, policyOfChild } = becomeRealtimeInChild(10);
    expect([
      [{ ok: true }, '1'],
      [{ ok: false, reason: 'SCHED_FIFO 10: EPERM' }, '0'],
    ]).toContainEqual([effect, policy]);
    expect(policyOfChild).toBe('0');
    expect(becomeRealtimeInChild(1000).effect).toEqual({ ok: false, reason: 'SCHED_FIFO 1000: EINVAL' });
  });

  test('./hale starts Node with the flags that a real-time class needs', () => {
    const script = readFileSync(`${packageFolder}/hale`, 'utf8');
    const start = script.split('\n').find((line) => line.startsWith('exec ')) ?? '';
    expect(start.split(' ')).toEqual(expect.arrayContaining([...REALTIME_NODE_FLAGS]));
  });

  test('a priority that is lent reaches every thread of the other process, or is not allowed', async () => {
    const script = `new (require('node:worker_threads').Worker)('setInterval(() => {}, 1000)', { eval: true }).on('online', () => console.log())`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      await once(child.stdout, 'data');
      const allowed = becomeRealtimeInChild(10).policy === '1';
      const policies = () =>
        readdirSync(`/proc/${child.pid}/task`).map((thread) => policyOf(readFileSync(`/proc/${child.pid}/task/${thread}/stat`, 'utf8')));
      expect(new Set(policies())).toEqual(new Set(['0']));
      lendPriority(child.pid as number, 10);
      expect(new Set(policies())).toEqual(new Set([allowed ? '1' : '0']));
      expect(policies().length).toBeGreaterThan(2);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'close');
    }
    lendPriority(child.pid as number, 10);
  });

  test('a process that blocks is interrupted when its parent ends', async () => {
    const program = join(import.meta.dirname, '../../support/orphan.ts');
    const parent = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface(parent.stdout);
    const [first] = (await once(lines, 'line')) as [string];
    expect(first).toBe('blocks');
    parent.kill('SIGKILL');
    expect(await once(lines, 'line')).toEqual(['EINTR']);
  });

  test('error numbers have their names', () => {
    expect([errnoName(1), errnoName(11), errnoName(99_999)]).toEqual(['EPERM', 'EAGAIN', 'errno 99999']);
  });
});
