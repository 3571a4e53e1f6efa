/** One BGP speaker with many routers, in the simulator. */
import { HaleError } from '../src/base/error.ts';
import { median } from '../src/base/stats.ts';
import { type BgpRunResult, runBgp } from '../src/sim/bgp/run.ts';
import { markdownTable, tenths } from './machine.ts';

interface Life {
  seed: number;
  establishedMs: number;
  convergedMs: number;
  establishCpuMs: number;
  quietMinuteCpuMs: number;
  sessions: number;
  collisions: number;
  messages: number;
}

export interface BgpPeersResult {
  peers: number;
  lives: Life[];
}

/** Throws HaleError `bench_bgp_incomplete`. */
export function bgpPeers({ peers, runs, say }: { peers: number; runs: number; say: (line: string) => void }): BgpPeersResult {
  const lives = Array.from({ length: runs }, (_, i) => {
    const life = lifeOf(i + 1, runBgp({ seed: i + 1, peers, faultsMs: 0, cpuTimeMs }));
    say(`seed ${life.seed}: all Established after ${life.establishedMs} ms, ${life.establishCpuMs} ms of CPU time`);
    return life;
  });
  return { peers, lives };
}

function cpuTimeMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function lifeOf(seed: number, result: BgpRunResult): Life {
  const { allEstablishedAfterMs, allConvergedAfterMs, cpuMs, sessions, collisions, messagesSent, messagesReceived, violations } = result;
  if (allEstablishedAfterMs === undefined || allConvergedAfterMs === undefined || violations.length > 0) {
    const message = `seed ${seed}: not all sessions came up, or something was wrong: ${JSON.stringify(violations.slice(0, 3))}`;
    throw new HaleError({ code: 'bench_bgp_incomplete', kind: 'world', message });
  }
  return {
    seed,
    establishedMs: tenths(allEstablishedAfterMs),
    convergedMs: tenths(allConvergedAfterMs),
    establishCpuMs: tenths(cpuMs.establish),
    quietMinuteCpuMs: tenths(cpuMs.quietMinute),
    sessions,
    collisions,
    messages: messagesSent + messagesReceived,
  };
}

const METHOD = [
  'The production engine on a simulated network (0.2 to 3 ms a way), one session to each router; hold times 3, 9 and 90 s, internal and external, active and passive, IPv4, IPv6 and both, drawn from the seed. The routers run the same engine and announce nothing.',
  'Established: from the start until both ends of all sessions are Established. Converged: until every router has all routes up to End-of-RIB; looked at every 500 ms, so up to that much too late. Both are simulated time.',
  'CPU: of the one thread, for the speaker, all routers and the simulator together: until all are Established, and for one simulated minute in which nothing happens but KEEPALIVEs. Messages: of the speaker, both ways, over the whole life.',
];

export function renderBgpPeers({ peers, lives }: BgpPeersResult): string {
  const head = [
    'Established, s',
    'converged, s',
    'CPU until Established, ms',
    'CPU of a quiet minute, ms',
    'sessions',
    'collisions',
    'messages',
  ];
  const row = (name: string, of: (pick: (life: Life) => number) => number): (string | number)[] => [
    name,
    hundredths(of(({ establishedMs }) => establishedMs) / 1000),
    hundredths(of(({ convergedMs }) => convergedMs) / 1000),
    of(({ establishCpuMs }) => establishCpuMs),
    of(({ quietMinuteCpuMs }) => quietMinuteCpuMs),
    of(({ sessions }) => sessions),
    of(({ collisions }) => collisions),
    of(({ messages }) => messages),
  ];
  const rows = [
    row('median', (pick) => tenths(median(lives.map(pick)))),
    ...lives.map((life) => row(`seed ${life.seed}`, (pick) => pick(life))),
  ];
  return [
    `## BGP: one speaker with ${peers} routers in the simulator, runs: ${lives.length}`,
    '',
    markdownTable(['', ...head], rows),
    ...METHOD.map((line) => `- ${line}`),
    '',
  ].join('\n');
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}
