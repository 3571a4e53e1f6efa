import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ETCD_METRICS } from '../../../src/core/etcd/status/metrics.ts';

test('docs/guide/etcd.md lists the metrics that are read, and no other', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/guide/etcd.md'), 'utf8');
  const listed = [...page.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(([, ...cells]) => cells);
  expect(listed).toEqual(Object.entries(ETCD_METRICS).map(([name, { tells }]) => [name, tells]));
});
