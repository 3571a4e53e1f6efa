import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { netnsProblem } from '../support/netns.ts';
import { singleUserProblem } from '../support/single-user.ts';
import { type Capture, capture, programProblem } from '../support/vrrp-peers.ts';
import { type Manner, routerConfig, shared, sourceOf, VrrpStage } from '../support/vrrp-stage.ts';

const problem = netnsProblem() ?? singleUserProblem ?? programProblem('keepalived', 'tcpdump', 'tshark');

describe.skipIf(problem)(`the address between hale and keepalived${problem ? `: skipped, ${problem}` : ''}`, () => {
  let stage: VrrpStage;
  let tape: Capture;

  beforeEach(async () => {
    stage = new VrrpStage();
    tape = await capture(stage.them);
  });
  afterEach(async () => {
    await stage?.close();
    tape?.close();
  });

  /** What keepalived and tshark have to say about what hale sent. */
  const expectNoFault = async (manner: Manner): Promise<void> => {
    expect(stage.peer.complaints).toEqual([]);
    const ip = manner.family === 'IPv4' ? 'ip' : 'ipv6';
    const fields = ['vrrp.version', 'vrrp.checksum.status', manner.family === 'IPv4' ? 'ip.ttl' : 'ipv6.hlim', '_ws.expert.message'];
    const lines = await tape.read(`${ip}.src == ${sourceOf(stage.us, manner)} && !icmp`, fields);
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
  test.each(manners)('%s: it goes from one to the other, whoever stops and however', async (_, manner) => {
    const { peer } = stage;
    stage.startPeer(manner, 100);
    await stage.untilHeldBy('keepalived', manner.family);
    const hale = stage.startHale(manner, 90);
    await stage.untilState(hale, 'became-backup');
    await peer.stop();
    await stage.untilState(hale, 'became-active resigned');
    await stage.untilHeldBy('hale', manner.family);
    stage.startPeer(manner, 100);
    await stage.untilState(hale, 'became-backup');
    await stage.untilHeldBy('keepalived', manner.family);
    await peer.kill();
    await stage.untilState(hale, 'became-active no-response');
    stage.startPeer(manner, 80);
    await stage.untilHeldBy('hale', manner.family);
    await hale.shutdown();
    await stage.untilHeldBy('keepalived', manner.family);
    expect(peer.log).toContain('Backup received priority 0 advertisement');
    const again = stage.startHale(manner, 90);
    await stage.untilState(again, 'became-active preempted');
    await stage.untilHeldBy('hale', manner.family);
    await again.kill();
    await stage.until(() => expect(stage.holders(manner.family)).toContain('keepalived'));
    await expectNoFault(manner);
    expect([...hale.warnings, ...again.warnings]).toEqual([]);
  });

  test('unicast is not refused by the kernel of a host on which hale listens, only by one without', async () => {
    const manner: Manner = { version: 3, family: 'IPv4', unicast: true };
    const hale = stage.startHale(manner, 90);
    await stage.untilState(hale, 'became-active no-response');
    stage.startPeer(manner, 100);
    await stage.untilHeldBy('keepalived');
    const killed = Date.now() / 1000;
    await hale.kill();
    await stage.until(() => expect(Date.now() / 1000).toBeGreaterThan(killed + 1));
    const refusals = await tape.read(`icmp.type == 3 && eth.src == ${stage.us.mac}`, ['frame.time_epoch']);
    expect(refusals.length).toBeGreaterThan(0);
    expect(refusals.filter((at) => Number(at) < killed)).toEqual([]);
  });

  test('both families with one state: a sync group of keepalived moves as one, and so does hale', async () => {
    const [four, six]: [Manner, Manner] = [
      { version: 3, family: 'IPv4' },
      { version: 3, family: 'IPv6' },
    ];
    const group = 'vrrp_sync_group G {\n  group {\n    A\n    B\n  }\n}\n';
    stage.peer.start(group + stage.instance('A', four, 'priority 80') + stage.instance('B', six, 'priority 80'));
    await stage.untilHeldBy('keepalived', 'IPv6');
    const links = [four, six].map((manner) => {
      return { family: manner.family, source: sourceOf(stage.us, manner), addresses: [shared[manner.family]] };
    });
    const hale = stage.start({ config: routerConfig({}), priority: 90, links });
    for (const family of ['IPv4', 'IPv6'] as const) await stage.untilHeldBy('hale', family);
    await hale.shutdown();
    for (const family of ['IPv4', 'IPv6'] as const) await stage.untilHeldBy('keepalived', family);
    expect(stage.peer.complaints).toEqual([]);
    expect(hale.warnings).toEqual([]);
  });
});
