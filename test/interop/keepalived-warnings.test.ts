import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { netnsProblem } from '../support/netns.ts';
import { programProblem } from '../support/vrrp-peers.ts';
import { type Manner, shared, VrrpStage } from '../support/vrrp-stage.ts';

const problem = netnsProblem() ?? programProblem('keepalived');
const three: Manner = { version: 3, family: 'IPv4' };
const two: Manner = { version: 2, family: 'IPv4' };
const secret: Manner = { ...two, password: 'secret' };

describe.skipIf(problem)(`what is wrong between hale and keepalived is said${problem ? `: skipped, ${problem}` : ''}`, () => {
  let stage: VrrpStage;

  beforeEach(() => {
    stage = new VrrpStage();
  });
  afterEach(() => stage?.close());

  const from = '10.77.0.2';
  const ours = [shared.IPv4];
  test.each<[string, { our: Manner; their: Manner; lines?: string }, object]>([
    [
      'other addresses beside the shared one',
      { our: three, their: three, lines: 'virtual_ipaddress {\n 10.77.0.101\n }' },
      { kind: 'address-list-differs', from, theirs: [shared.IPv4, '10.77.0.101'], ours },
    ],
    ['another version', { our: three, their: two }, { kind: 'version-differs', from, theirs: 2, ours: 3 }],
    ['another interval', { our: two, their: two, lines: 'advert_int 2' }, { kind: 'interval-differs', from, theirsMs: 2000, oursMs: 1000 }],
    [
      'another interval, learned',
      { our: three, their: three, lines: 'advert_int 0.3' },
      { kind: 'interval-differs', from, theirsMs: 300, oursMs: 200 },
    ],
    ['a password where we have none', { our: two, their: secret }, { kind: 'auth-type', from, theirs: 1, ours: 'none' }],
    ['no password where we have one', { our: secret, their: two }, { kind: 'auth-type', from, theirs: 0, ours: 'simple-text' }],
    ['another password', { our: secret, their: { ...two, password: 'other' } }, { kind: 'auth-password', from }],
    [
      'unicast where we send to the group',
      { our: three, their: { ...three, unicast: true } },
      { kind: 'delivery-differs', from, theirs: 'unicast' },
    ],
  ])('%s', async (_, { our, their, lines }, warning) => {
    stage.startPeer(their, 100, lines);
    const hale = stage.startHale(our, 90);
    await stage.until(() => expect(hale.warnings).toContainEqual({ kind: 'warned', warning }));
  });

  test('another cluster on the same virtual router id, which does not keep hale from its own address', async () => {
    stage.peer.start(stage.instance('A', three, 'priority 200').replace(shared.IPv4, '10.77.0.200'));
    const hale = stage.startHale(three, 90);
    await stage.untilState(hale, 'became-active no-response');
    const warning = { kind: 'other-cluster', from, virtualRouterId: 7, theirs: ['10.77.0.200'], ours };
    await stage.until(() => expect(hale.warnings).toContainEqual({ kind: 'warned', warning }));
  });

  test('the checksum of RFC 9568 alone, without the pseudo-header, is not what this keepalived takes, and it says so', async () => {
    stage.startPeer(three, 80);
    await stage.untilHeldBy('keepalived');
    stage.startHale(three, 90, { checksumForm: 'message-only' });
    await stage.until(() => expect(stage.peer.complaints.join('\n')).toContain('Invalid VRRPv3 checksum'));
  });
});
