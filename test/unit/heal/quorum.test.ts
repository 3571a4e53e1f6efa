import { expect, test } from 'vitest';
import { lossOf } from '../../../src/core/heal/quorum.ts';
import { controlPlane, etcd } from './facts.ts';

const hosts = (count: number) => Array.from({ length: count }, (_, i) => controlPlane(`cp${i + 1}`));
const names = (count: number) => hosts(count).map(({ name }) => name);

/** Of the first of so many hosts. */
function loss(view: ReturnType<typeof etcd>, count: number, host = 'cp1') {
  const all = hosts(count);
  return lossOf(
    view,
    { name: host, internalIp: null },
    all.filter(({ name }) => name !== host),
  );
}

test.each([
  { members: 1, dead: [], bearable: false },
  { members: 2, dead: [], bearable: false },
  { members: 3, dead: [], bearable: true },
  { members: 3, dead: ['cp1'], bearable: true },
  { members: 3, dead: ['cp2'], bearable: false },
  { members: 3, dead: ['cp1', 'cp2'], bearable: false },
  { members: 4, dead: ['cp2'], bearable: false },
  { members: 5, dead: ['cp2'], bearable: true },
  { members: 5, dead: ['cp2', 'cp3'], bearable: false },
  { members: 5, dead: ['cp1', 'cp3'], bearable: true },
  { members: 5, dead: ['cp3', 'cp4', 'cp5'], bearable: false },
])('of $members members with $dead dead the loss of cp1 is bearable: $bearable', ({ members, dead, bearable }) => {
  expect(loss(etcd(names(members), { dead }), members).bearable).toBe(bearable);
});

test('the arithmetic is in the words', () => {
  expect(loss(etcd(names(5), { dead: ['cp2'] }), 5).text).toBe('without cp1: 3 of 5 voters of etcd would answer, 3 are needed');
});

test('a learner counts for nothing', () => {
  const view = etcd(names(4));
  const learner = { ...view, members: view.members.map((member) => (member.name === 'cp4' ? { ...member, isLearner: true } : member)) };
  expect(loss(learner, 4)).toEqual({ bearable: true, text: 'without cp1: 2 of 3 voters of etcd would answer, 2 are needed' });
  expect(loss(learner, 4, 'cp4').text).toBe('without cp4: 3 of 3 voters of etcd would answer, 2 are needed');
});

test('members of k3s and RKE2 have digits after the name of the host', () => {
  const k3s = names(3).map((name, i) => `${name}-0f1e2d3${i}`);
  expect(loss(etcd(k3s, { dead: [k3s[1] as string] }), 3).bearable).toBe(false);
  expect(loss(etcd(k3s, { dead: [k3s[0] as string] }), 3).bearable).toBe(true);
});

test('a member is found by its address before its name', () => {
  const view = etcd(['a', 'b', 'c'], { dead: ['a'], ips: ['192.0.2.7', '[2001:db8::8]', '192.0.2.9'] });
  const all = ['192.0.2.7', '2001:db8::8', '192.0.2.9'].map((internalIp, i) => ({ name: `cp${i + 1}`, internalIp }));
  const [first, second, third] = all as [(typeof all)[0], (typeof all)[0], (typeof all)[0]];
  expect(lossOf(view, first, [second, third]).bearable).toBe(true);
  expect(lossOf(view, second, [first, third]).bearable).toBe(false);
});

test('a member whose host nobody knows may be on any; without one every other must be known', () => {
  expect(loss(etcd(['x', 'cp2', 'cp3']), 3)).toEqual({
    bearable: false,
    text: 'on which host member x of etcd is cannot be told from its URLs and name',
  });
  // Etcd of three on four control-plane hosts.
  expect(loss(etcd(['cp2', 'cp3', 'cp4']), 4)).toEqual({ bearable: true, text: 'cp1 has no member of etcd' });
});

test('nothing may be lost without any member, or without a quorum', () => {
  expect(loss(etcd([]), 3).text).toContain('it is not known how many there are');
  expect(loss(etcd(names(3), { dead: ['cp2', 'cp3'] }), 3).text).toContain('the quorum is lost');
});
