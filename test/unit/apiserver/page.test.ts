import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { METRIC_NAMES, METRICS } from '../../../src/core/apiserver/metrics.ts';
import { thresholds } from '../../../src/core/cluster/kubernetes.ts';

const page = readFileSync(join(import.meta.dirname, '../../../docs/guide/apiserver.md'), 'utf8');

test('docs/guide/apiserver.md lists the metrics that are read, and no other', () => {
  const listed = [...page.matchAll(/^\| `(\w+)` \| (.*) \| (none were counted|not judged) \|$/gm)].map(([, ...cells]) => cells);
  const read = METRIC_NAMES.map((name) => {
    const { tells, appearsLater } = METRICS[name];
    return [name, tells, appearsLater ? 'none were counted' : 'not judged'];
  });
  expect(listed).toEqual(read);
});

test('and every threshold', () => {
  const named = [...page.matchAll(/^\| `[\w-]+` \| .* \| `(\w+)` \|$/gm)].map(([, name]) => name);
  expect(named.toSorted()).toEqual(Object.keys(thresholds.parse({})).toSorted());
});
