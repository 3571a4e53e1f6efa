import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLab, listLabs, removeLab } from '../../src/lab/lab.ts';
import { etcdProblem, findEtcdPrograms } from '../support/etcd-programs.ts';
import { fingerprint, put, snapshot, succeeds, value } from '../support/etcd-operation.ts';
import { labImpossible } from '../support/lab.ts';

const PATIENCE_MS = 600_000;
const BUMP = 1_000_000_000;

let base: string;

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'hale-restore-versions-'));
  process.env['HALE_LAB_DIR'] = base;
});

afterAll(async () => {
  for (const { name } of listLabs()) await removeLab(name);
  rmSync(base, { recursive: true });
  delete process.env['HALE_LAB_DIR'];
}, PATIENCE_MS);

const impossible = (line: '3.5' | '3.6' | '3.7') => labImpossible ?? etcdProblem(line);

describe.each(['3.5', '3.6', '3.7'] as const)('etcd %s', { timeout: PATIENCE_MS }, (line) => {
  test.skipIf(impossible(line) !== undefined)(
    `a restore raises the revision, and whoever watched before is told to list anew ${impossible(line) ?? ''}`,
    async () => {
      const programs = findEtcdPrograms(line);
      const name = `r${line.replace('.', '')}`;
      const lab = await createLab({ name, etcd: dirname(programs?.etcd as string), services: ['etcd'] });
      try {
        const [cp1, cp2] = [lab.host('cp1'), lab.host('cp2')];
        await put(cp1, 'kept', 'then');
        const file = await snapshot(cp2, join(base, `${line}.db`));
        const { revision } = await fingerprint(cp1);
        for (let i = 0; i < 3; i++) await put(cp1, 'later', `${i}`);
        const access = ['--cacert', 'ca.crt', '--cert', 'healthcheck-client.crt', '--key', 'healthcheck-client.key'];
        const files = access.map((word) => (word.startsWith('--') ? word : `/etc/kubernetes/pki/etcd/${word}`));
        const etcdctl = [programs?.etcdctl as string, '--endpoints=https://127.0.0.1:2379', ...files];
        await succeeds(['etcd', 'restore', file, '--lab', name, '--yes']);
        const after = await fingerprint(cp2);
        expect(after.revision).toBeGreaterThanOrEqual(revision + BUMP);
        expect(after.keys).toBe(1);
        expect(after.members.every(({ compactRevision }) => (compactRevision ?? 0) >= revision + BUMP)).toBe(true);
        expect([await value(cp2, 'kept'), await value(cp2, 'later')]).toEqual(['then', '']);
        // Whoever saw the newest change before goes on from there.
        const { stdout, stderr } = await cp1.exec(['timeout', '120', ...etcdctl, 'watch', `--rev=${revision + 4}`, 'later']);
        expect(stdout + stderr).toContain('required revision has been compacted');
      } finally {
        await removeLab(name);
      }
    },
  );
});
