import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DataFolder } from '../../../src/core/etcd/data-folder/data-folder.ts';
import { planRecover, type RecoverMember } from '../../../src/core/etcd/rebuild/recover-plan.ts';
import type { Operation } from '../../../src/core/etcd/rebuild/step.ts';

const data = (commitIndex: number, more: Partial<DataFolder> = {}): DataFolder => ({
  memberId: '1',
  clusterId: 'c',
  term: 9,
  commitIndex,
  commitTerm: 2,
  lastIndex: commitIndex,
  ...more,
});
const member = (host: string, found: DataFolder | undefined, more: Partial<RecoverMember> = {}): RecoverMember => ({
  host,
  peerUrl: `https://${host}:2380`,
  dataDir: '/var/lib/etcd',
  version: '3.5.33',
  services: ['apiserver'],
  data: found,
  live: undefined,
  availableBytes: 2 ** 40,
  usedBytes: 2 ** 20,
  ...more,
});
const plan = (members: readonly RecoverMember[], gone: readonly string[] = []): Operation =>
  planRecover({ id: '20260101-000000', where: 'lab demo', members, gone, hasAddress: false });
const chosen = (operation: Operation) => operation.steps.find(({ id }) => id === 'force')?.phases[0]?.[0]?.host;
const codeOf = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('the plan of a recovery', () => {
  test('takes the member that has committed most, of the newest history', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ commitIndex: fc.nat(20), commitTerm: fc.nat(3), more: fc.nat(5), live: fc.boolean() }), {
          minLength: 1,
          maxLength: 3,
        }),
        (found) => {
          const members = found.map(({ commitIndex, commitTerm, more, live }, i) =>
            // One that runs knows of more than it has on disk.
            member(`m${i}`, data(commitIndex, { commitTerm }), live ? { live: { raftIndex: commitIndex + more, revision: 1 } } : {}),
          );
          const ranks = found.map(({ commitIndex, commitTerm, more, live }) => commitTerm * 1000 + commitIndex + (live ? more : 0));
          const operation = plan(members, ['x', 'y', 'z', 'w']);
          expect(ranks[Number(chosen(operation)?.slice(1))]).toBe(Math.max(...ranks));
        },
      ),
    );
  });

  test('what a running member knows counts, also before it is on its disk', () => {
    const members = [member('a', data(8)), member('b', data(7), { live: { raftIndex: 9, revision: 1 } })];
    expect(chosen(plan(members, ['x', 'y', 'z']))).toBe('b');
  });

  test('stops all, keeps all data, and only then makes a new cluster, which the others join one after the other', () => {
    const operation = plan([member('a', undefined), member('b', data(7)), member('c', undefined)]);
    expect(operation.steps.map(({ id }) => id)).toEqual(
      'stop-apiserver stop-etcd furthest keep force normal join-a join-c compare start-apiserver start-apiservers'.split(' '),
    );
    const kept = operation.steps.find(({ id }) => id === 'keep')?.phases.flat();
    expect(kept?.map(({ host }) => host).toSorted()).toEqual(['a', 'b', 'c']);
    expect(operation.steps.find(({ opens }) => opens)?.id).toBe('start-apiserver');
  });

  test('names who may have acknowledged what is lost, and who must never come back', () => {
    const operation = plan([member('a', data(7, { lastIndex: 9 }), { live: { raftIndex: 7, revision: 5 } })], ['b', 'c']);
    const losses = operation.losses.join('\n');
    expect(losses).toMatch(/after revision 5 \(index 7\) of a are lost.*b and c may have acknowledged/);
    expect(losses).toMatch(/2 entries at the end of a's log are dropped/);
    expect(losses).toMatch(/b and c must never start etcd again/);
    expect(operation.afterwards.join('\n')).toMatch(/1 voter and bears no failure/);
  });

  test('asks the shared address only where a majority of hosts can hold it', () => {
    const withAddress = (gone: readonly string[]) =>
      planRecover({
        id: '20260101-000000',
        where: 'lab demo',
        members: [member('a', data(5)), member('b', undefined)],
        gone,
        hasAddress: true,
      });
    expect(withAddress(['c']).steps.at(-1)?.id).toBe('address');
    const lost = withAddress(['c', 'd']);
    expect(lost.steps.map(({ id }) => id)).not.toContain('address');
    expect(lost.afterwards[0]).toMatch(/nobody holds the shared address/);
  });

  test('refuses where nothing need be lost, and where nothing is left', () => {
    expect(codeOf(() => plan([member('a', data(7)), member('b', data(7)), member('c', undefined)]))).toBe('etcd_quorum_possible');
    expect(codeOf(() => plan([member('a', undefined)], ['b', 'c']))).toBe('etcd_no_survivor');
    const strangers = [member('a', data(7)), member('b', data(9, { clusterId: 'd' }))];
    expect(codeOf(() => plan(strangers, ['c', 'd', 'e']))).toBe('etcd_clusters_differ');
    expect(codeOf(() => plan([member('a', data(7), { availableBytes: 2 ** 20 })], ['b', 'c']))).toBe('etcd_room_missing');
  });

  test.each([
    ['3.4.23', false],
    ['3.5.24', true],
    ['3.5.25', false],
    ['3.6.5', true],
    ['3.6.6', false],
    ['3.7.1', false],
  ])('etcd %s: refused is %s', (version, isRefused) => {
    const code = codeOf(() => plan([member('a', data(7), { version })], ['b', 'c']));
    expect(code === 'etcd_recover_unsound').toBe(isRefused);
  });
});
