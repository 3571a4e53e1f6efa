/** How long after the end of its lease a stopped holder's kernel still answers. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { holdMs, timingProfiles } from '../src/core/lease/timing.ts';
import { HaleError } from '../src/base/error.ts';
import { boottime } from '../src/drivers/linux/boottime.ts';
import type { TestLink } from '../test/support/netns.ts';
import { LOCK_NAMES, type Lock } from './gate-lock.ts';
import { openProber, PROBE_EVERY_MS } from './gate-prober.ts';
import { type Summary, summarize, tenths } from './machine.ts';
import { benchFile } from './program.ts';

const PORT = 6443;
/** Watched after the lease's end. */
const AFTER_MS = 60;
const PROFILES = ['fast', 'default'] as const;
/** Before a run, so that the lease that runs out is a renewed one; a random part of a renewal comes on top. */
const RENEWALS_BEFORE = 4;
const PIPE_MS = 30;

export interface LatenessSubject {
  name: string;
  profile: string;
  runs: number;
  arpMs: Summary;
  tcpMs: Summary;
  /** Longest time between two probes in any run: what an answer can have come earlier than it was noted. */
  probeGapMs: number;
}

export interface LatenessOptions {
  link: TestLink;
  locks: readonly Lock[];
  runs: number;
  say: (line: string) => void;
  signal: AbortSignal;
}

export async function lateness({ link, locks, runs, say, signal }: LatenessOptions): Promise<LatenessSubject[]> {
  const subjects: LatenessSubject[] = [];
  for (const profile of PROFILES) {
    for (const lock of locks) {
      say(`lateness: ${LOCK_NAMES[lock]}, profile ${profile}, ${runs} runs`);
      subjects.push(await measure(link, { lock, profile, runs, signal }));
    }
  }
  return subjects;
}

interface Subject {
  lock: Lock;
  profile: (typeof PROFILES)[number];
  runs: number;
  signal: AbortSignal;
}

async function measure(link: TestLink, { lock, profile, runs, signal }: Subject): Promise<LatenessSubject> {
  const timing = timingProfiles[profile];
  const leaseMs = holdMs(timing);
  const holder = link.host.node(benchFile('gate-holder'), lock, String(leaseMs), String(timing.renewMs), String(PORT));
  const ends: number[] = [];
  createInterface({ input: holder.stdout as NodeJS.ReadableStream }).on('line', (line) => ends.push(Number(line)));
  const prober = openProber(link, { port: PORT });
  const [arpMs, tcpMs] = [[] as number[], [] as number[]];
  let probeGapMs = 0;
  try {
    for (let run = 0; run < runs; run++) {
      const from = ends.length;
      while (ends.length < from + RENEWALS_BEFORE) await sleep(timing.renewMs, undefined, { signal });
      await sleep(Math.random() * timing.renewMs, undefined, { signal });
      process.kill(holder.pid as number, 'SIGSTOP');
      const seen = prober.watch(boottime.now() + leaseMs + AFTER_MS);
      // What the holder said before it stopped is still in the pipe.
      await sleep(PIPE_MS, undefined, { signal });
      const end = ends.at(-1) as number;
      process.kill(holder.pid as number, 'SIGCONT');
      if (seen.lastArpMs === undefined || seen.lastTcpMs === undefined) throw unanswered(seen.lastArpMs === undefined ? 'ARP' : 'TCP');
      arpMs.push(seen.lastArpMs - end);
      tcpMs.push(seen.lastTcpMs - end);
      probeGapMs = Math.max(probeGapMs, seen.probeGapMs);
    }
  } finally {
    prober.close();
    process.kill(holder.pid as number, 'SIGCONT');
    holder.kill('SIGTERM');
    await once(holder, 'close');
  }
  const name = LOCK_NAMES[lock];
  return { name, profile, runs, arpMs: summarize(arpMs), tcpMs: summarize(tcpMs), probeGapMs: tenths(probeGapMs) };
}

function unanswered(kind: string): HaleError {
  return new HaleError({
    code: 'bench_gate_unanswered',
    kind: 'world',
    message: `the address was not answered for over ${kind} while its lease ran`,
    remedy: 'run the bench on a machine with nothing else to do',
  });
}

export const LATENESS_METHOD = [
  `Lateness: a holder in another network namespace renews as its profile says and is stopped (SIGSTOP) at a random moment. From then until ${AFTER_MS} ms after the longest possible end ` +
    `its address is asked for by ARP, and for a connection (TCP SYN), every ${PROBE_EVERY_MS} ms over a veth. The value is the time of the last answer less the end of the lease: negative is early. ` +
    'A holder that was stopped between deciding on a renewal and writing it counts with the end of that renewal, and so as early.',
];
