import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Family } from '../../src/base/address.ts';
import { createTestLan, netnsProblem, type TestHost, type TestLan } from '../support/netns.ts';
import { type Capture, capture, HaleRouter, hasAddress, Keepalived, programProblem } from '../support/vrrp-peers.ts';
import type { RouterSettings } from '../support/vrrp-router.ts';

const problem = netnsProblem() ?? programProblem('keepalived', 'tcpdump', 'tshark');
const soon = { timeout: 15_000, interval: 20 };

interface Manner {
  version: 2 | 3;
  family: Family;
  unicast?: boolean;
  password?: string;
}

const shared: Record<Family, string> = { IPv4: '10.77.0.100', IPv6: 'fd77::100' };
const linkLocal = (host: TestHost) => `fe80::${host.address6.split('::')[1]}`;
const sourceOf = (host: TestHost, { family, unicast }: Manner) =>
  family === 'IPv4' ? host.address4 : unicast ? host.address6 : linkLocal(host);

describe.skipIf(problem)(`keepalived${problem ? `: skipped, ${problem}` : ''}`, () => {
  let net: TestLan;
  let peer: Keepalived;
  let tape: Capture;
  let routers: HaleRouter[];
  let us: TestHost;
  let them: TestHost;

  beforeEach(async () => {
    routers = [];
    net = createTestLan(['hale', 'peer']);
    [us, them] = net.hosts as [TestHost, TestHost];
    // Link-local addresses that are there at once.
    for (const host of net.hosts) {
      const ip = (...parameters: string[]) => execFileSync('ip', ['-n', host.namespace, ...parameters]);
      ip('address', 'flush', 'dev', 'eth0', 'scope', 'link');
      ip('address', 'add', `${linkLocal(host)}/64`, 'dev', 'eth0', 'nodad');
    }
    peer = new Keepalived(them);
    tape = await capture(them);
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') console.error(peer.log, JSON.stringify(routers.map(({ events }) => events)));
    for (const router of routers) await router.end();
    await peer?.close();
    tape?.close();
    net?.remove();
  });

  const intervalMs = ({ version }: Manner) => (version === 2 ? 1000 : 200);
  const startHale = (manner: Manner, priority: number, config: Partial<RouterSettings['config']> = {}): HaleRouter => {
    const { version, family, unicast, password } = manner;
    const addresses = [shared[family]];
    const router = new HaleRouter(us, {
      config: {
        version,
        virtualRouterId: 7,
        advertiseIntervalMs: intervalMs(manner),
        preempt: true,
        preemptDelayMs: 0,
        startupDelayMs: 0,
        unfitBelow: 0,
        checksumForm: 'with-pseudo-header',
        ...config,
      },
      priority,
      ...(password !== undefined && { password }),
      links: [{ family, source: sourceOf(us, manner), addresses, ...(unicast && { peers: [sourceOf(them, manner)] }) }],
    });
    routers.push(router);
    return router;
  };
  const startPeer = (manner: Manner, priority: number, lines = ''): void => {
    const { version, family, unicast, password } = manner;
    const delivery = unicast ? `unicast_src_ip ${sourceOf(them, manner)}\n unicast_peer {\n ${sourceOf(us, manner)}\n }\n` : '';
    const auth = password === undefined ? '' : `authentication {\n auth_type PASS\n auth_pass ${password}\n }\n`;
    peer.start(`vrrp_instance A {
  state BACKUP
  version ${version}
  interface eth0
  virtual_router_id 7
  priority ${priority}
  advert_int ${intervalMs(manner) / 1000}
  ${delivery}${auth}${lines}
  virtual_ipaddress {
    ${shared[family]}
  }
}
`);
  };
  const holders = (family: Family): string[] =>
    net.hosts.filter((host) => hasAddress(host, shared[family])).map((host) => (host === us ? 'hale' : 'keepalived'));
  const untilHeldBy = (holder: 'hale' | 'keepalived', { family }: Manner) =>
    vi.waitFor(() => expect(holders(family)).toEqual([holder]), soon);
  const untilState = (router: HaleRouter, state: string) => vi.waitFor(() => expect(router.state).toBe(state), soon);

  /** What keepalived and tshark have to say about what hale sent. */
  const expectNoFault = async (manner: Manner): Promise<void> => {
    expect(peer.complaints).toEqual([]);
    const from = `${manner.family === 'IPv4' ? 'ip' : 'ipv6'}.src == ${sourceOf(us, manner)}`;
    const fields = ['vrrp.version', 'vrrp.checksum.status', manner.family === 'IPv4' ? 'ip.ttl' : 'ipv6.hlim', '_ws.expert.message'];
    const lines = await tape.read(from, fields);
    expect(new Set(lines)).toEqual(new Set([[manner.version, 1, 255, ''].join('\t')]));
  };

  const manners: [string, Manner][] = [
    ['version 3, IPv4, multicast', { version: 3, family: 'IPv4' }],
    ['version 3, IPv4, unicast', { version: 3, family: 'IPv4', unicast: true }],
    ['version 3, IPv6, multicast', { version: 3, family: 'IPv6' }],
    ['version 3, IPv6, unicast', { version: 3, family: 'IPv6', unicast: true }],
    ['version 2, multicast, a password', { version: 2, family: 'IPv4', password: 's3cret' }],
    ['version 2, unicast', { version: 2, family: 'IPv4', unicast: true }],
  ];
  test.each(manners)('%s: the address goes from one to the other, whoever stops and however', async (_, manner) => {
    startPeer(manner, 100);
    await untilHeldBy('keepalived', manner);
    const hale = startHale(manner, 90);
    await untilState(hale, 'became-backup');
    await peer.stop();
    await untilState(hale, 'became-active resigned');
    await untilHeldBy('hale', manner);
    startPeer(manner, 100);
    await untilState(hale, 'became-backup');
    await untilHeldBy('keepalived', manner);
    await peer.kill();
    await untilState(hale, 'became-active no-response');
    startPeer(manner, 80);
    await untilHeldBy('hale', manner);
    await hale.shutdown();
    await untilHeldBy('keepalived', manner);
    expect(peer.log).toContain('Backup received priority 0 advertisement');
    const again = startHale(manner, 90);
    await untilState(again, 'became-active preempted');
    await untilHeldBy('hale', manner);
    await again.end('SIGKILL');
    await vi.waitFor(() => expect(holders(manner.family)).toContain('keepalived'), soon);
    await expectNoFault(manner);
  });
});
