import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { composeDescription } from '../../../src/core/cluster/compose.ts';
import { toDescription } from '../../../src/core/render/description.ts';
import { clusterOf, description, hosts, renderAll } from '../../support/rendered.ts';

const BEFORE = 'name: demo\n\n';
const AFTER = '# Where clients go.\nendpoint:\n  address: 10.0.0.100\n';

describe('a description without its workers', () => {
  test.each([
    ['in lines', 'workers:\n  hosts:\n    - name: w1\n      address: 10.0.0.21\n'],
    ['in one line', 'workers: { hosts: [{ name: w1, address: 10.0.0.21 }] }\n'],
    ['in quotes, with Windows ends', '"workers":\r\n  hosts:\r\n    - { name: w1, address: 10.0.0.21 }\r\n'],
    ['in braces that end at the margin', 'workers: {\n  hosts: [{ name: w1, address: 10.0.0.21 }]\n}\n'],
    ['with its name escaped', '"work\\x65rs":\n  hosts: []\n'],
    [
      'with words above, within and below',
      '# They run Pods,\n# and nothing else.\nworkers:\n  # all of them\n\n# out of place\n  hosts: []\n',
    ],
  ])('%s: the rest stays as it is written', (_, workers) => {
    expect(toDescription(BEFORE + workers + AFTER).withoutWorkers).toBe(BEFORE + AFTER);
    expect(toDescription(BEFORE + AFTER + workers).withoutWorkers).toBe(BEFORE + AFTER);
    expect(toDescription(workers + AFTER).withoutWorkers).toBe(AFTER);
  });

  test.each([
    'endpoint:\n  workers: none\n# workers: no key\nworkersToo: 1\n',
    '{ name: demo, workers: { hosts: [] } }\n',
    '{\nname: demo,\nworkers: { hosts: [] }\n}\n',
    '',
  ])('where there is no such key of the file itself, stays whole: %j', (text) => {
    expect(toDescription(text)).toEqual({ whole: text, withoutWorkers: text });
  });

  test('says the same of everything else, as it is composed with words at every key', () => {
    const whole = composeDescription(parse(description()) as object);
    const { withoutWorkers } = toDescription(whole);
    expect(clusterOf(whole).workers.hosts).toHaveLength(2);
    expect(clusterOf(withoutWorkers)).toEqual({ ...clusterOf(whole), workers: { hosts: [] } });
    expect(withoutWorkers).not.toContain('worker nodes, as far as');
  });

  test('is what a worker gets: another worker changes nothing on it', () => {
    const keys = (count: number) => ({
      endpoint: { address: '10.0.0.100', provider: 'node-local' },
      workers: { hosts: hosts('w', ['10.0.0.21/24', '10.0.0.22/24', '10.0.0.23/24'].slice(0, count)) },
    });
    const [two, three] = [renderAll(keys(2)), renderAll(keys(3))];
    expect(three.get('w1')?.get('/etc/hale/cluster.yaml')).toBeDefined();
    expect(three.get('w1')).toEqual(two.get('w1'));
    expect(three.get('cp1')?.get('/etc/hale/cluster.yaml')?.text).toBe(description(keys(3)));
  });
});
