/** CPU time of one renewal of the lease in the kernel. */
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import koffi from 'koffi';
import { assert } from '../src/base/assert.ts';
import { quantile } from '../src/base/stats.ts';
import { boottime } from '../src/drivers/linux/boottime.ts';
import * as libc from '../src/drivers/linux/libc.ts';
import { TABLE } from '../src/drivers/linux/ruleset.ts';
import type { TestLink } from '../test/support/netns.ts';
import { ADDRESS, LOCK_NAMES, type Lock, openLock } from './gate-lock.ts';
import { tenths } from './machine.ts';

const LEASE_MS = 300;
const WARM_UP = 200;
const BETWEEN_MS = 1;
const CLOCK_THREAD_CPUTIME_ID = 3;
const RUSAGE_CHILDREN = -1;
/** struct rusage: 16 words of 64 bits, user and system time first, each as seconds and microseconds. */
const RUSAGE_WORDS = 16;

export interface RenewalSubject {
  name: string;
  renewals: number;
  cpuUs: { median: number; p99: number };
  wallUs: { median: number; p99: number };
}

export interface RenewalOptions {
  link: TestLink;
  locks: readonly Lock[];
  renewals: number;
  say: (line: string) => void;
  signal: AbortSignal;
}

export async function renewal({ link, locks, renewals, say, signal }: RenewalOptions): Promise<RenewalSubject[]> {
  const subjects = [await measure('nothing: the measurement itself', { renew: () => {}, renewals, signal })];
  for (const lock of locks) {
    say(`renewal: ${LOCK_NAMES[lock]}, ${renewals} times`);
    const gate = link.host.inside(() => openLock(lock));
    try {
      const renew = () => assert(gate.open(boottime.now() + LEASE_MS).ok, 'the gate opens');
      subjects.push(await measure(LOCK_NAMES[lock], { renew, renewals, signal }));
    } finally {
      gate.remove();
    }
  }
  say(`renewal: the nft program, ${renewals} times`);
  subjects.push(await byProgram(link, { renewals, signal }));
  return subjects;
}

/** The same change as text for the `nft` program, which is started for each. */
async function byProgram(link: TestLink, { renewals, signal }: { renewals: number; signal: AbortSignal }): Promise<RenewalSubject> {
  const gate = link.host.inside(() => openLock('table'));
  const add = `add element netdev ${TABLE} lease4 { ${ADDRESS} timeout 60s }\n`;
  const nft = (input: string) => assert(link.host.inside(() => spawnSync('nft', ['-f', '-'], { input })).status === 0, 'nft succeeds');
  try {
    nft(add);
    const renew = () => nft(`delete element netdev ${TABLE} lease4 { ${ADDRESS} }\n${add}`);
    return await measure('the nft program for each', { renew, renewals, signal });
  } finally {
    gate.remove();
  }
}

async function measure(name: string, subject: { renew: () => void; renewals: number; signal: AbortSignal }): Promise<RenewalSubject> {
  const [cpuUs, wallUs] = [[] as number[], [] as number[]];
  for (let i = -WARM_UP; i < subject.renewals; i++) {
    await sleep(BETWEEN_MS, undefined, { signal: subject.signal });
    const [cpu, wall] = [cpuTimeUs(), boottime.now()];
    subject.renew();
    if (i < 0) continue;
    cpuUs.push(cpuTimeUs() - cpu);
    wallUs.push((boottime.now() - wall) * 1000);
  }
  const summary = (values: number[]) => ({ median: tenths(quantile(values, 0.5)), p99: tenths(quantile(values, 0.99)) });
  return { name, renewals: subject.renewals, cpuUs: summary(cpuUs), wallUs: summary(wallUs) };
}

const timespec = new Uint32Array(4);
const rusage = new BigInt64Array(RUSAGE_WORDS + 2);
const getrusage: (who: number, usage: BigInt64Array) => number = koffi.load(null).func('int getrusage(int, _Inout_ int64_t *)');

/** Of this thread and of all children that have ended. */
function cpuTimeUs(): number {
  libc.clockGettime(CLOCK_THREAD_CPUTIME_ID, timespec);
  getrusage(RUSAGE_CHILDREN, rusage);
  const [userS, userUs, systemS, systemUs] = Array.from(rusage.subarray(0, 4), Number) as [number, number, number, number];
  return (timespec[0] as number) * 1e6 + (timespec[2] as number) / 1000 + (userS + systemS) * 1e6 + userUs + systemUs;
}

export const RENEWAL_METHOD = [
  `Renewal: one call of the gate's \`open\`, ${BETWEEN_MS} ms after the last, after ${WARM_UP} for warming up. CPU time of the calling thread and of the processes that it started; what the kernel puts off to threads of its own is not in it.`,
];
