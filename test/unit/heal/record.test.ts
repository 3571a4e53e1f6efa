import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HEAL_STEPS } from '../../../src/core/cluster/heal.ts';
import { workedOnBy } from '../../../src/core/heal/foreign.ts';
import { encodeHistory, encodeRemedy, HISTORY, historyOf, MAINTENANCE, REMEDY, remedyOf, stepOf } from '../../../src/core/heal/record.ts';
import { node, record, under, WALL_MS } from './facts.ts';

describe('the annotation of a remedy', () => {
  const read = (text: string) => remedyOf({ annotations: { [REMEDY]: text } });

  test('comes back as it was written', () => {
    expect(read(encodeRemedy(record()))).toEqual(record());
    expect(remedyOf({ annotations: {} })).toBeUndefined();
  });

  test.each([
    ['no JSON', 'working'],
    ['null', 'null'],
    ['a list', '[]'],
    ['a step that there is not', encodeRemedy({ ...record(), steps: ['explode' as 'cordon'] })],
    ['a step beyond the last', encodeRemedy(record({ step: 5 }))],
    ['a step before the first', encodeRemedy(record({ step: -1 }))],
    ['half a step', encodeRemedy(record({ step: 0.5 }))],
    ['no such state', encodeRemedy({ ...record(), state: 'done' as 'failed' })],
    ['a word for a number', encodeRemedy({ ...record(), stepAtMs: 'now' as unknown as number })],
    ['a word for a truth', encodeRemedy({ ...record(), tainted: 'yes' as unknown as boolean })],
    ['a key too few', JSON.stringify({ ...record(), bootId: undefined })],
  ])('is none where it is %s', (_, text) => {
    expect(read(text)).toBeUndefined();
  });

  test('whatever anybody puts there, it is none or can be followed', () => {
    const almost = fc.record(
      Object.fromEntries(Object.entries(record()).map(([key, value]) => [key, fc.oneof(fc.constant(value), fc.jsonValue())])),
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(almost, (value) => {
        const found = read(JSON.stringify(value));
        if (found !== undefined) expect([...HEAL_STEPS, undefined]).toContain(stepOf(found));
      }),
    );
  });
});

test('the history is read in whole seconds of the last day; words that are no times do not count', () => {
  const times = [WALL_MS - 90_000_000, WALL_MS - 3_600_000, WALL_MS - 1000, WALL_MS + 5_000_000];
  const of = (text: string) => historyOf({ annotations: { [HISTORY]: text } }, WALL_MS);
  expect(of(encodeHistory(times))).toEqual([WALL_MS - 3_600_000, WALL_MS - 1000, WALL_MS]);
  expect(of('')).toEqual([]);
  expect(of('x -5 NaN Infinity')).toEqual([WALL_MS]);
  expect(historyOf({ annotations: {} }, WALL_MS)).toEqual([]);
});

describe('whose work it is', () => {
  const tainted = (key: string) => node('n1', { taints: [{ key, value: '', effect: 'NoSchedule' }] });

  test.each([
    ['karpenter.sh/disrupted', 'Karpenter'],
    ['karpenter.sh/disruption', 'Karpenter'],
    ['ToBeDeletedByClusterAutoscaler', 'cluster-autoscaler'],
    ['medik8s.io/drain', 'NodeMaintenance'],
    ['remediation.medik8s.io/self-node-remediation', 'SelfNodeRemediation'],
    ['node.cluster.x-k8s.io/uninitialized', 'Cluster API'],
    ['node.kubernetes.io/out-of-service', 'declared it out of service'],
  ])('the taint %s', (key, by) => {
    expect(workedOnBy(tainted(key))).toContain(by);
  });

  test.each([
    ['weave.works/kured-reboot-in-progress', '2026', 'kured'],
    ['kured.dev/reboot-in-progress', '2026', 'kured'],
    ['cluster.x-k8s.io/remediate-machine', '', 'Cluster API'],
    ['cluster.x-k8s.io/delete-machine', 'yes', 'Cluster API'],
    ['machineconfiguration.openshift.io/state', 'Working', 'machine-config-operator'],
    ['upgrade.cattle.io/drain-in-progress', '1', 'system-upgrade-controller'],
    ['flatcar-linux-update.v1.flatcar-linux.net/reboot-in-progress', 'true', 'Flatcar'],
    ['remediation.medik8s.io/exclude-from-remediation', 'true', 'excluded'],
    [MAINTENANCE, 'ann since noon', 'hale node: ann since noon'],
  ])('the annotation %s = %s', (key, value, by) => {
    expect(workedOnBy(node('n1', { annotations: { [key]: value } }))).toContain(by);
  });

  test.each([
    ['machineconfiguration.openshift.io/state', 'Done'],
    ['machineconfiguration.openshift.io/state', ''],
    ['flatcar-linux-update.v1.flatcar-linux.net/reboot-in-progress', 'false'],
    ['remediation.medik8s.io/exclude-from-remediation', 'false'],
    ['example.com/anything', 'true'],
  ])('not %s = %s', (key, value) => {
    expect(workedOnBy(node('n1', { annotations: { [key]: value } }))).toBeUndefined();
  });

  test('a label says the same as an annotation', () => {
    expect(workedOnBy(node('n1', { labels: { 'remediation.medik8s.io/exclude-from-remediation': 'true' } }))).toContain('excluded');
  });

  test('what hale set itself is nobody else', () => {
    expect(workedOnBy(node('n1', { unschedulable: true }))).toBe('whoever cordoned it');
    expect(workedOnBy(node('n1', { unschedulable: true, ...under({ cordoned: true }) }))).toBeUndefined();
    expect(workedOnBy(node('n1', { unschedulable: true, ...under({ cordoned: false }) }))).toBe('whoever cordoned it');
    const both = (set: boolean) => ({ ...tainted('node.kubernetes.io/out-of-service'), ...under({ tainted: set }) });
    expect(workedOnBy(both(true))).toBeUndefined();
    expect(workedOnBy(both(false))).toContain('out of service');
    expect(workedOnBy({ ...both(true), taints: [...both(true).taints, ...tainted('karpenter.sh/disrupted').taints] })).toContain(
      'Karpenter',
    );
  });
});
