import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { holdersOf } from '../../src/core/drill/holders.ts';
import { createAuthority } from '../../src/drivers/pki/authority.ts';
import { type Probe, startProbe } from '../../src/lab/probe/process.ts';

/** A switch and three hosts as network namespaces; h1 and h2 listen on every address they have. */
const run = `hale-obs-${process.pid}`;
const hosts = ['client', 'h1', 'h2'] as const;
const dir = mkdtempSync(join(tmpdir(), 'hale-observer-'));
const children: ChildProcess[] = [];
let probe: Probe | undefined;

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
  writeFileSync(join(dir, 'ca.crt'), (await createAuthority({ commonName: 'unused', validityDays: 1 })).certPem);
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
  await probe?.abandon();
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

async function start(address: string): Promise<Probe> {
  probe = await startProbe(['ip', 'netns', 'exec', `${run}-client`], {
    address,
    port: 6443,
    serverName: 'api.test',
    caFile: join(dir, 'ca.crt'),
    intervalMs: 50,
    timeoutMs: 300,
    connections: 0,
    outFile: join(dir, 'probe.ndjson'),
    observer: {
      interface: 'eth0',
      address: address.includes(':') ? 'fd77::250' : '10.77.0.250',
      hosts: ['h1', 'h2'].map((name) => ({ name, mac: macOf(name) })),
    },
  });
  return probe;
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

describe.each([
  { address: '10.77.0.100', link: 'arp' },
  { address: 'fd77::100', link: 'ndp' },
])('holder observer, $link', ({ address, link }) => {
  test('sees a hand-over as one holder after the other, by link and by TCP, and leaves the neighbour cache of the client alone', async () => {
    add('h1', address);
    const observing = await start(address);
    await pause(400);
    remove('h1', address);
    add('h2', address);
    await pause(400);
    const cached = inside('client', 'ip', 'neighbour', 'show', address);
    const { sightings } = await observing.stop();
    expect(new Set(sightings.map(({ host, how }) => `${host} ${how}`))).toEqual(new Set([`h1 ${link}`, 'h1 tcp', `h2 ${link}`, 'h2 tcp']));
    const { intervals, maxSimultaneous } = holdersOf(sightings);
    expect(intervals.map(({ host }) => host)).toEqual(['h1', 'h2']);
    expect(maxSimultaneous).toBe(1);
    expect(cached).toContain(macOf('h1'));
  });

  test('sees two hosts that both answer', async () => {
    add('h1', address);
    const observing = await start(address);
    await pause(300);
    add('h2', address);
    await pause(300);
    remove('h2', address);
    await pause(300);
    const { maxSimultaneous, overlapMs } = holdersOf((await observing.stop()).sightings);
    expect(maxSimultaneous).toBe(2);
    expect(overlapMs).toBeGreaterThan(200);
  });

  test('sees a host that accepts TCP for the address without answering for it on the link', async () => {
    add('h1', address);
    inside('h2', 'sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1');
    add('h2', address, 'lo');
    const observing = await start(address);
    await pause(400);
    const { sightings } = await observing.stop();
    expect(new Set(sightings.filter(({ host }) => host === 'h2').map(({ how }) => how))).toEqual(new Set(['tcp']));
    expect(holdersOf(sightings).maxSimultaneous).toBe(2);
  });

  test('sees nobody when nobody holds the address', async () => {
    const observing = await start(address);
    await pause(300);
    expect(holdersOf((await observing.stop()).sightings)).toEqual({ intervals: [], maxSimultaneous: 0, overlapMs: 0 });
  });
});
