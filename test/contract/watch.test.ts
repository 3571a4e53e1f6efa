import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { holdersOf } from '../../src/core/drill/holders.ts';
import { provenAnswers } from '../../src/core/drill/proof.ts';
import type { WatchRecord } from '../../src/core/drill/record.ts';
import { startWatch, type Watch } from '../../src/lab/probe/process.ts';
import { until } from '../support/hale.ts';

/** A switch and three hosts as network namespaces; h1 and h2 listen on every address they have. */
const run = `hale-watch-${process.pid}`;
const hosts = ['client', 'h1', 'h2'] as const;
const dir = mkdtempSync(join(tmpdir(), 'hale-watch-'));
const children: ChildProcess[] = [];
let watch: Watch | undefined;

function ip(...words: string[]): string {
  return execFileSync('ip', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function inside(host: string, ...words: string[]): string {
  return ip('netns', 'exec', `${run}-${host}`, ...words);
}

function macOf(host: string): string {
  return (JSON.parse(inside(host, 'ip', '-j', 'link', 'show', 'eth0')) as [{ address: string }])[0].address;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

beforeAll(async () => {
  ip('netns', 'add', `${run}-switch`);
  inside('switch', 'ip', 'link', 'add', 'br0', 'type', 'bridge');
  inside('switch', 'ip', 'link', 'set', 'br0', 'up');
  for (const [i, host] of hosts.entries()) {
    ip('netns', 'add', `${run}-${host}`);
    inside('switch', 'ip', 'link', 'add', host, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${run}-${host}`);
    inside('switch', 'ip', 'link', 'set', host, 'master', 'br0', 'up');
    inside(host, 'ip', 'link', 'set', 'lo', 'up');
    inside(host, 'ip', 'link', 'set', 'eth0', 'up');
    inside(host, 'ip', 'address', 'add', `10.77.0.${i + 1}/24`, 'dev', 'eth0');
    inside(host, 'ip', 'address', 'add', `fd77::${i + 1}/64`, 'dev', 'eth0', 'nodad');
    if (host === 'client') continue;
    const listen = "require('net').createServer((s) => s.destroy()).listen(6443, '::', () => console.log('listening'))";
    const child = spawn('ip', ['netns', 'exec', `${run}-${host}`, process.execPath, '-e', listen], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
  }
});

afterEach(async () => {
  await watch?.abandon();
  for (const host of ['h1', 'h2']) {
    for (const device of ['eth0', 'lo']) {
      for (const address of ['10.77.0.100/32', 'fd77::100/128']) {
        if (inside(host, 'ip', 'address', 'show', 'dev', device).includes(address))
          inside(host, 'ip', 'address', 'del', address, 'dev', device);
      }
    }
  }
  inside('client', 'ip', 'neighbour', 'flush', 'all');
});

afterAll(async () => {
  for (const child of children) {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }
  for (const host of ['switch', ...hosts]) ip('netns', 'del', `${run}-${host}`);
  rmSync(dir, { recursive: true });
});

async function start(address: string): Promise<Watch> {
  watch = await startWatch(['ip', 'netns', 'exec', `${run}-client`], {
    address,
    port: 6443,
    interface: 'eth0',
    source: address.includes(':') ? 'fd77::250' : '10.77.0.250',
    hosts: ['h1', 'h2'].map((name) => ({ name, mac: macOf(name) })),
    outFile: join(dir, 'watch.json'),
  });
  return watch;
}

const add = (host: string, address: string, device = 'eth0'): string =>
  inside(
    host,
    'ip',
    'address',
    'add',
    address.includes(':') ? `${address}/128` : `${address}/32`,
    'dev',
    device,
    ...(address.includes(':') ? ['nodad'] : []),
  );
const remove = (host: string, address: string): string =>
  inside(host, 'ip', 'address', 'del', address.includes(':') ? `${address}/128` : `${address}/32`, 'dev', 'eth0');

const seen = ({ answers }: WatchRecord): Set<string> => new Set(answers.map(({ host, how }) => `${host} ${how}`));

describe.each([
  { address: '10.77.0.100', link: 'arp' },
  { address: 'fd77::100', link: 'ndp' },
])('watch over the hosts, $link', ({ address, link }) => {
  test('sees a hand-over as one holder after the other, by link and by TCP, and leaves the neighbour cache of the client alone', async () => {
    add('h1', address);
    const connect = `require('net').connect(6443, ${JSON.stringify(address)}).on('connect', () => process.exit())`;
    inside('client', process.execPath, '-e', connect);
    const watching = await start(address);
    await pause(400);
    remove('h1', address);
    add('h2', address);
    await pause(400);
    const cached = inside('client', 'ip', 'neighbour', 'show', address);
    const record = await watching.stop();
    expect(seen(record)).toEqual(new Set([`h1 ${link}`, 'h1 tcp', `h2 ${link}`, 'h2 tcp']));
    const { intervals, maxSimultaneous } = holdersOf(record);
    expect(intervals.map(({ host }) => host)).toEqual(['h1', 'h2']);
    expect(maxSimultaneous).toBe(1);
    expect(cached).toContain(macOf('h1'));
  });

  test('sees two hosts that both answer', async () => {
    add('h1', address);
    const watching = await start(address);
    await pause(300);
    add('h2', address);
    await pause(300);
    remove('h2', address);
    await pause(300);
    const { maxSimultaneous, overlapMs } = holdersOf(await watching.stop());
    expect(maxSimultaneous).toBe(2);
    expect(overlapMs).toBeGreaterThan(200);
  });

  test('sees a host that accepts TCP for the address without answering for it on the link', async () => {
    add('h1', address);
    inside('h2', 'sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1');
    add('h2', address, 'lo');
    const watching = await start(address);
    await pause(400);
    const record = await watching.stop();
    expect([...seen(record)].filter((sight) => sight.startsWith('h2'))).toEqual(['h2 tcp']);
    expect(holdersOf(record).maxSimultaneous).toBe(2);
  });

  test('tells who was asked from who answered: a holder that steers to another host proves itself, and leaves that host nothing to wait for', async () => {
    add('h1', address);
    add('h2', address, 'lo');
    const family = link === 'arp' ? 'ip' : 'ip6';
    const steer = `ether saddr set ${macOf('h1')} ether daddr set ${macOf('h2')} fwd to eth0`;
    const onlySteered = `ether saddr != ${macOf('h1')} drop`;
    for (const [host, rule] of Object.entries({ h1: steer, h2: onlySteered })) {
      const chain = 'chain in { type filter hook ingress device eth0 priority 0;';
      inside(host, 'nft', `table netdev steer { ${chain} ${family} daddr ${address} tcp dport 6443 ${rule}; }; }`);
    }
    inside('h2', 'sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1');
    // On an address of lo the kernel answers solicitations too; what keeps it from that with dsr is not at stake here.
    inside('h2', 'nft', 'add rule netdev steer in icmpv6 type nd-neighbor-solicit drop');
    try {
      const watching = await start(address);
      await pause(400);
      const record = await watching.stop();
      // Left alone, a half-open connection stays for a minute.
      const halfOpen = () => inside('h2', 'ss', '-Htn', 'state', 'syn-recv');
      await until(halfOpen, (found) => found === '', 'no connection is half open');
      expect(new Set(record.answers.map(({ how, asked, host }) => `${how} ${asked ?? 'all'} ${host}`))).toEqual(
        new Set([`${link} all h1`, 'tcp h1 h2']),
      );
      const holders = (datapath: 'dsr' | 'nat') => holdersOf(provenAnswers(record, { datapath, handOvers: [] }));
      expect(holders('dsr')).toMatchObject({ maxSimultaneous: 1, intervals: [{ host: 'h1' }] });
      expect(holdersOf(record).maxSimultaneous).toBe(2);
    } finally {
      for (const host of ['h1', 'h2']) inside(host, 'nft', 'delete table netdev steer');
    }
  });

  test('sees nobody when nobody holds the address', async () => {
    const watching = await start(address);
    await pause(300);
    expect(holdersOf(await watching.stop())).toEqual({ intervals: [], maxSimultaneous: 0, overlapMs: 0 });
  });

  test('every answer is heard after its own round was asked, and most rounds are answered in both ways', async () => {
    add('h1', address);
    const watching = await start(address);
    await pause(400);
    const { askedMs, answers } = await watching.stop();
    expect(answers.every(({ round, heardMs }) => heardMs >= (askedMs[round] as number))).toBe(true);
    for (const how of [link, 'tcp']) {
      const answered = new Set(answers.filter((answer) => answer.how === how).map(({ round }) => round));
      expect(answered.size).toBeGreaterThan(askedMs.length / 2);
    }
  });
});
