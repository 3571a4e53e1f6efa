/**
 * A process beside the agent that outlives it. When the agent dies, the pipe between them ends; then this process takes the address off
 * the kernel and, only after that, tells the peers that the lease is free. See docs/decisions/0005-guardian.md.
 *
 * It reads with blocking calls and needs no event loop, so that it is small and awake within microseconds.
 * Arguments: the path of its lock, the name of this host for the log.
 */
import { readSync, writeFileSync, writeSync } from 'node:fs';
import { leave } from '../../drivers/linux/leave.ts';
import { interruptAtParentsEnd } from '../../drivers/linux/parent.ts';
import { becomeRealtime, lendPriority } from '../../drivers/linux/scheduling.ts';
import { Executor } from './executor.ts';
import { createGuardianLog, type GuardianLog } from './log.ts';
import { takeOver } from './take-over.ts';
import { ARMED, READY, STAND_DOWN, type Will } from './will.ts';

/** The agent's own priority: what the guardian does takes less than a millisecond. */
const REALTIME_PRIORITY = 50;
const agentPid = process.ppid;

function main(): void {
  // Terminals and supervisors signal whole groups; the agent ends in order then, and the guardian must see it out.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGPIPE'] as const) process.on(signal, () => {});
  becomeRealtime(REALTIME_PRIORITY);
  interruptAtParentsEnd();
  const [lockPath, host] = process.argv.slice(2) as [string, string];
  const log = createGuardianLog(host);
  spareFromOutOfMemory(log);
  if (!takeOver(lockPath, log)) leave(1);
  tell(READY);
  let executor: Executor | undefined;
  for (const line of lines()) {
    if (line === STAND_DOWN) leave(0);
    executor?.close();
    executor = new Executor(JSON.parse(line) as Will, log);
    tell(ARMED);
  }
  executor?.execute();
  leave(0);
}

/** What stands on standard input, until its other end is closed. Half a line is none: the agent died within it. */
function* lines(): Generator<string> {
  const buffer = Buffer.alloc(16_384);
  let text = '';
  for (let length = read(buffer); length > 0; length = read(buffer)) {
    text += buffer.toString('utf8', 0, length);
    const parts = text.split('\n');
    text = parts.pop() as string;
    yield* parts;
  }
}

/**
 * The agent's main thread ends first, as it is in the real-time class; its others have to free the memory and close the descriptors, and
 * on a busy host would wait for the CPU. They are dying, so lending them the priority costs nobody more than that.
 */
function read(buffer: Uint8Array): number {
  for (;;) {
    try {
      return readSync(0, buffer);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EINTR') throw error;
      lendPriority(agentPid, REALTIME_PRIORITY);
    }
  }
}

function tell(word: string): void {
  try {
    writeSync(1, `${word}\n`);
  } catch {
    // The agent is dead; the end of standard input says so too.
  }
}

/** The kernel must not choose it when memory runs out: the agent that is chosen needs it (proc_pid_oom_score_adj(5)). */
function spareFromOutOfMemory(log: GuardianLog): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '-1000');
  } catch (error) {
    log.info({ reason: (error as Error).message }, 'the guardian may be chosen when memory runs out');
  }
}

main();
