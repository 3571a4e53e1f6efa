/** Real BFD daemons: BIRD's protocol bfd, and FRR's bfdd (https://docs.frrouting.org/en/stable-8.4/bfd.html). */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import type { TestHost } from '../netns.ts';
import { singleUserProblem } from '../single-user.ts';
import { Daemon } from './daemon.ts';
import { notInstalled } from './router.ts';

/** From the daemon's side. */
export interface BfdNeighbor {
  localAddress: string;
  remoteAddress: string;
  multihop: boolean;
  transmitMs: number;
  receiveMs: number;
  multiplier: number;
}

export interface BfdDaemon {
  readonly daemon: Daemon;
  /** Its own state for this neighbour, in lower case, and all that it says; `absent` when it knows of none. */
  session(remoteAddress: string): Promise<{ state: string; text: string }>;
  /** Other timers while it runs. */
  configure(neighbors: readonly BfdNeighbor[]): Promise<void>;
  /** Ends a session on purpose, as its operator would. */
  disable(neighbor: BfdNeighbor): Promise<void>;
}

export interface BfdDaemonKind {
  readonly title: string;
  readonly problem: string | undefined;
  /** With which it sends multihop packets: BIRD takes the host's default. */
  readonly multihopTtl: number;
  /** Whether it says AdminDown when its operator ends a session; BIRD falls silent. */
  readonly signalsEnd: boolean;
  start(host: TestHost, neighbors: readonly BfdNeighbor[]): Promise<BfdDaemon>;
}

const BIRD = '/usr/sbin/bird';
const birdProblem = notInstalled(BIRD, '/usr/sbin/birdc');

export const birdBfd: BfdDaemonKind = {
  problem: birdProblem,
  multihopTtl: 64,
  signalsEnd: false,
  title: birdProblem === undefined ? spawnSync(BIRD, ['--version'], { encoding: 'utf8' }).stderr.trim() : 'BIRD',
  async start(host, neighbors) {
    const daemon = new Daemon(host, 'bird-bfd');
    const socket = daemon.file('ctl');
    const config = (wanted: readonly BfdNeighbor[]) => daemon.write('bird.conf', birdConfig(host, wanted));
    daemon.start(BIRD, '-f', '-c', config(neighbors), '-s', socket, '-P', daemon.file('pid'));
    const ask = (...words: string[]) => daemon.ask('/usr/sbin/birdc', '-s', socket, ...words);
    await daemon.ready(async () => (await ask('show', 'status')).includes('Daemon is up and running'));
    return {
      daemon,
      async session(remoteAddress) {
        const text = await ask('show', 'bfd', 'sessions');
        const line = text.split('\n').find((each) => each.startsWith(`${remoteAddress} `));
        return { text, state: line?.trim().split(/\s+/)[2]?.toLowerCase() ?? 'absent' };
      },
      async configure(wanted) {
        config(wanted);
        await ask('configure');
      },
      disable: async () => void (await ask('disable', 'bfd1')),
    };
  },
};

function birdConfig(host: TestHost, neighbors: readonly BfdNeighbor[]): string {
  const timers = ({ transmitMs, receiveMs, multiplier }: BfdNeighbor) =>
    `{ min tx interval ${transmitMs} ms; min rx interval ${receiveMs} ms; idle tx interval 1 s; multiplier ${multiplier}; };`;
  const [direct, multihop] = [neighbors.find((each) => !each.multihop), neighbors.find((each) => each.multihop)];
  return `
log stderr all;
router id ${host.address4};
protocol device { scan time 1; }
protocol bfd {
  ${direct === undefined ? '' : `interface "eth0" ${timers(direct)}`}
  ${multihop === undefined ? '' : `multihop ${timers(multihop)}`}
  ${neighbors
    .map((each) =>
      each.multihop
        ? `neighbor ${each.remoteAddress} local ${each.localAddress} multihop;`
        : `neighbor ${each.remoteAddress} dev "eth0" local ${each.localAddress};`,
    )
    .join('\n  ')}
}
`;
}

const [ZEBRA, BFDD] = ['/usr/lib/frr/zebra', '/usr/lib/frr/bfdd'];
const frrProblem = singleUserProblem ?? notInstalled(ZEBRA, BFDD, '/usr/bin/vtysh');

export const frrBfd: BfdDaemonKind = {
  problem: frrProblem,
  multihopTtl: 255,
  signalsEnd: true,
  title: frrProblem === undefined ? `FRR's ${execFileSync(BFDD, ['--version'], { encoding: 'utf8' }).split('\n')[0]}` : 'FRR',
  async start(host, neighbors) {
    const daemon = new Daemon(host, 'frr-bfd');
    const { folder } = daemon;
    const common = ['-z', daemon.file('zserv.api'), '--vty_socket', folder, '-P', '0', '--log', 'stdout'];
    const zebraConfig = daemon.write('zebra.conf', '');
    const bfddConfig = daemon.write('bfdd.conf', frrLines(neighbors).join('\n'));
    // The daemons give up root for the user that they were built for.
    chmodSync(folder, 0o755);
    execFileSync('chown', ['-R', 'frr:frr', folder]);
    const vtysh = (...commands: string[]) =>
      daemon.ask('/usr/bin/vtysh', '--vty_socket', folder, ...commands.flatMap((command) => ['-c', command]));
    daemon.start(ZEBRA, '-f', zebraConfig, '-i', daemon.file('zebra.pid'), ...common);
    await daemon.ready(async () => (await vtysh('show interface brief')).includes('eth0'));
    daemon.start(BFDD, '-f', bfddConfig, '-i', daemon.file('bfdd.pid'), '--bfdctl', daemon.file('bfdd.sock'), ...common);
    await daemon.ready(async () => (await vtysh('show bfd peers json')).includes('['));
    return {
      daemon,
      async session(remoteAddress) {
        const peers = JSON.parse(await vtysh('show bfd peers json')) as { peer: string; status: string }[];
        const found = peers.find(({ peer }) => peer === remoteAddress);
        return { text: JSON.stringify(found), state: found?.status ?? 'absent' };
      },
      configure: async (wanted) => void (await vtysh('configure terminal', ...frrLines(wanted))),
      disable: async (neighbor) => void (await vtysh('configure terminal', 'bfd', frrPeer(neighbor), 'shutdown')),
    };
  },
};

function frrLines(neighbors: readonly BfdNeighbor[]): string[] {
  return [
    'bfd',
    ...neighbors.flatMap((neighbor) => [
      ` ${frrPeer(neighbor)}`,
      `  detect-multiplier ${neighbor.multiplier}`,
      `  transmit-interval ${neighbor.transmitMs}`,
      `  receive-interval ${neighbor.receiveMs}`,
      ...(neighbor.multihop ? ['  minimum-ttl 250'] : []),
      ' exit',
    ]),
  ];
}

function frrPeer({ localAddress, remoteAddress, multihop }: BfdNeighbor): string {
  return `peer ${remoteAddress} ${multihop ? 'multihop ' : ''}local-address ${localAddress}${multihop ? '' : ' interface eth0'}`;
}
