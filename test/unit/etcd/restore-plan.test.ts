import { describe, expect, test } from 'vitest';
import { planRestore, type RestoreRequest } from '../../../src/core/etcd/rebuild/restore-plan.ts';
import { type Action, actionText, shellLine } from '../../../src/core/etcd/rebuild/step.ts';

const MIB = 1024 ** 2;
const member = (host: string): RestoreRequest['members'][number] => ({
  host,
  peerUrl: `https://${host}:2380`,
  dataDir: '/var/lib/etcd',
  version: '3.5.33',
  services: ['apiserver', 'controllers'],
  availableBytes: 1000 * MIB,
  usedBytes: 100 * MIB,
  tool: { path: '/usr/bin/etcdutl', version: '3.5.33', bumps: true },
});

const request: RestoreRequest = {
  id: '20260101-000000',
  where: 'lab demo',
  members: ['a', 'b', 'c'].map(member),
  snapshot: {
    path: '/s.db',
    sha256: 'ab',
    bytes: 20 * MIB,
    revision: 100,
    keys: 5,
    alarms: [],
    hasHash: true,
    ageText: 'taken an hour ago',
  },
  liveRevision: 130,
  hasQuorum: true,
  hasAddress: true,
};

const operation = planRestore(request);
const actions = (id: string): Action[] => operation.steps.filter((step) => step.id === id).flatMap(({ phases }) => phases.flat());
const index = (id: string) => operation.steps.findIndex((step) => step.id === id);
const without = (tool: RestoreRequest['members'][number]['tool']) => ({
  ...request,
  members: request.members.map((each) => (each.host === 'b' ? { ...each, tool } : each)),
});

describe('the plan of a restore', () => {
  test('does every action that touches data to every member alike', () => {
    for (const id of ['send', 'build', 'stop-etcd', 'keep', 'place']) expect(actions(id).map(({ host }) => host)).toEqual(['a', 'b', 'c']);
    const texts = actions('keep').map(actionText);
    expect(new Set(texts).size).toBe(1);
  });

  test('nothing that runs is touched before the new data is there, and nobody writes while it is changed', () => {
    const order = [
      'send',
      'build',
      'alone',
      'stop-controllers',
      'stop-apiserver',
      'stop-etcd',
      'keep',
      'place',
      'start-etcd',
      'compare',
      'start-apiserver',
    ];
    expect(order.map(index)).toEqual(order.map((_, i) => i));
    expect(operation.steps.filter(({ opens }) => opens).map(({ id }) => id)).toEqual(['start-apiserver']);
  });

  test('whatever changes a host can be put back, except the last tidying up', () => {
    const looking = ['alone', 'compare', 'address', 'tidy'];
    expect(operation.steps.filter(({ undo }) => undo === undefined).map(({ id }) => id)).toEqual(looking);
  });

  test('all members are restored from one file with one new token, and only names and addresses differ', () => {
    const texts = actions('build').map(({ host, ...action }) =>
      actionText({ host, ...action } as Action)
        .replaceAll(`name=${host}`, '')
        .replaceAll(`urls=https://${host}`, ''),
    );
    expect(new Set(texts).size).toBe(1);
    expect(texts[0]).toContain('--initial-cluster-token=lab-demo-20260101-000000');
    expect(texts[0]).toContain('--bump-revision=1000000000 --mark-compacted');
  });

  test('says what is lost', () => {
    expect(operation.losses.join(' ')).toMatch(/revision 100, 5 keys, taken an hour ago.*revision 130 now: 30 changes since are lost/);
    expect(planRestore({ ...request, liveRevision: undefined }).losses.join(' ')).toMatch(/nobody knows/);
  });

  test('one program that cannot raise the revision keeps all from it, and the plan says what that means', () => {
    const plan = planRestore(without({ path: '/usr/bin/etcdutl', version: '3.5.9', bumps: false }));
    const shown = plan.steps.flatMap(({ phases }) => phases.flat().map(actionText)).join('\n');
    expect(shown).not.toContain('bump-revision');
    expect(plan.notes.join(' ')).toMatch(/time goes back/);
    expect(plan.afterwards.join(' ')).toMatch(/restart every kubelet/);
  });

  test.each([
    ['no program', without(undefined), /^b: neither/],
    [
      'one of another release line',
      without({ path: '/usr/bin/etcdctl', version: '3.4.23', bumps: false }),
      /3\.4\.23, and etcd of 3\.5\.33/,
    ],
  ])('%s on one host refuses the whole', (_, wrong, message) => {
    expect(() => planRestore(wrong)).toThrow(
      expect.objectContaining({ code: 'etcd_tool_missing', message: expect.stringMatching(message) }),
    );
  });

  test('a host without room for the new data refuses the whole', () => {
    const members = request.members.map((each) => (each.host === 'c' ? { ...each, availableBytes: 199 * MIB } : each));
    expect(() => planRestore({ ...request, members })).toThrow(
      expect.objectContaining({ code: 'etcd_room_missing', message: expect.stringContaining('c:') }),
    );
  });

  test('putting back waits for a quorum only where there was one', () => {
    const undone = (hasQuorum: boolean) =>
      planRestore({ ...request, hasQuorum }).steps.flatMap(({ undo = [] }) => undo.flat().map(({ kind }) => kind));
    expect(undone(true)).toEqual(expect.arrayContaining(['quorum', 'ready']));
    expect(planRestore({ ...request, hasQuorum: false }).steps.map(({ id }) => id)).not.toContain('alone');
    expect(undone(false)).not.toEqual(expect.arrayContaining(['quorum']));
    expect(undone(false)).not.toEqual(expect.arrayContaining(['ready']));
  });

  test('where no API server runs, none is stopped or started', () => {
    const members = request.members.map((each) => ({ ...each, services: [] }));
    const ids = planRestore({ ...request, members, hasAddress: false }).steps.map(({ id }) => id);
    expect(ids).toEqual(['send', 'build', 'alone', 'stop-etcd', 'keep', 'place', 'start-etcd', 'compare', 'tidy']);
  });
});

test('a shell takes a line as the words that it is made of', () => {
  expect(shellLine(['a', '', "it's", '$x', '--flag=/a,b'])).toBe(String.raw`a '' 'it'\''s' '$x' --flag=/a,b`);
});
