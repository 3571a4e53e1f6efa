import fc from 'fast-check';
import { expect, test } from 'vitest';
import { importJson, importRemarks } from '../../../src/core/import/report.ts';
import { importFiles } from './rendered.ts';
import { GUIDE, kubeVip } from './samples.ts';

const K3S = 'cluster-init: true\ntls-san: [10.0.0.5, api.k3s.example]\nnode-ip: 10.0.0.11\ndatastore-endpoint: https://10.0.0.9:2379\n';
const FILES = Object.entries({
  ...GUIDE,
  'k1/etc/rancher/k3s/config.yaml': K3S,
  'pod.yaml': kubeVip('Pod'),
  'ds.yaml': kubeVip('DaemonSet'),
});

/** One file with a piece of it replaced by anything. */
const damage = fc.record({
  file: fc.nat(FILES.length - 1),
  from: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.nat(30),
  by: fc.oneof(
    fc.string({ maxLength: 12, unit: 'grapheme' }),
    fc.constantFrom('\n', '{', '}', ': ', '"', '- ', '#', '[', '*a', '\t', '\u0000', 'null', '-1', '1e99'),
  ),
});

test('whatever the files hold: never a crash, and never a description that is not YAML of known keys with fitting values', () => {
  fc.assert(
    fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (damages) => {
      const files = new Map(FILES);
      for (const { file, from, length, by } of damages) {
        const [path] = FILES[file] as [string, string];
        const text = files.get(path) as string;
        const at = Math.floor(from * text.length);
        files.set(path, text.slice(0, at) + by + text.slice(at + length));
      }
      const imported = importFiles(Object.fromEntries(files));
      importJson(imported);
      importRemarks(imported, []);
      const isMissing = imported.description.missing.length > 0;
      const wrong = imported.problems.filter(({ code }) => /^cluster_(yaml|unknown|wrong|duplicate_key|empty)/.test(code));
      expect(wrong, imported.text).toEqual([]);
      if (!isMissing) expect(imported.problems.filter(({ code }) => code === 'cluster_missing_key')).toEqual([]);
    }),
    { numRuns: 200 },
  );
});
