/** `hale etcd snapshot verify` on snapshots of real etcd of every release line, whole and damaged. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isSound, type SnapshotFindings } from '../../../src/core/etcd/snapshot/findings.ts';
import { createEtcdAdmin } from '../../../src/drivers/etcd/admin.ts';
import { inspectSnapshot } from '../../../src/drivers/etcd/inspect.ts';
import { encrypted } from '../../../src/drivers/snapshot/age.ts';
import type { EtcdAdmin } from '../../../src/ports/etcd-admin.ts';
import { type EtcdCluster, startEtcdCluster } from '../../support/etcd-cluster.ts';
import { ETCD_LINES, type EtcdLine, etcdProblem, findEtcdPrograms } from '../../support/etcd-programs.ts';
import { HALE, hale, until } from '../../support/hale.ts';
import { inspected } from '../../support/inspected.ts';

interface Document {
  verdict: 'good' | 'bad' | 'incomplete';
  isEncrypted: boolean;
  hash: { state: string };
  content: {
    revision: number;
    compactRevision: number;
    keys: number;
    alarms: { alarm: string }[];
    groups: { name: string; keys: number }[];
  };
  trial: { state: string; reason?: string; problems?: string[] };
  problems: { what: string; text: string }[];
}

const bytes = (text: string) => Buffer.from(text);
const lines = ETCD_LINES.filter((line) => etcdProblem(line) === undefined);

/** Files of the tests, and TMPDIR of what they run. */
let own: string;
let temporary: string;
const before = process.env['TMPDIR'];

interface Saved {
  path: string;
  revision: number;
  keys: number;
}
const saved = new Map<EtcdLine, Saved>();

beforeAll(async () => {
  own = mkdtempSync(join(tmpdir(), 'hale-verify-'));
  temporary = join(own, 'tmp');
  mkdirSync(temporary);
  for (const line of lines) saved.set(line, await saveFrom(line));
  process.env['TMPDIR'] = temporary;
}, 120_000);

afterAll(() => {
  if (before === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = before;
  rmSync(own, { recursive: true, force: true });
});

async function saveFrom(version: EtcdLine): Promise<Saved> {
  const cluster = await startEtcdCluster({ members: 1, version });
  const etcd = createEtcdAdmin({ ...cluster, timeoutMs: 10_000 });
  try {
    await fill(etcd);
    const path = join(own, `${version}.db`);
    const all = Uint8Array.of(0);
    const { revision, count } = await etcd.range(all, { rangeEnd: all, limit: 1, keysOnly: true });
    await save(cluster, { etcd, path });
    copyFileSync(join(cluster.dir, 'm1/member/snap/db'), `${path}.raw`);
    return { path, revision, keys: count };
  } finally {
    etcd.close();
    await cluster.close();
  }
}

async function save({ endpoints }: EtcdCluster, { etcd, path }: { etcd: EtcdAdmin; path: string }): Promise<void> {
  const parts: Uint8Array[] = [];
  for await (const { blob } of etcd.snapshot(endpoints[0] as string, new AbortController().signal)) parts.push(blob);
  writeFileSync(path, Buffer.concat(parts));
}

/** Puts, changes and deletions of several keys a revision, a compaction, a lease, a value of several pages. */
async function fill(etcd: EtcdAdmin): Promise<void> {
  const { id } = await etcd.grantLease(3600);
  const name = (i: number) =>
    bytes(`/registry/${['pods', 'leases', 'apiextensions.k8s.io/customresourcedefinitions'][i % 3]}/ns/object-${i}`);
  const put = (i: number, round: number) => ({ put: { key: name(i), value: Buffer.alloc((i * 131) % 1500, round) } });
  for (let round = 1; round <= 3; round++) {
    for (let i = 0; i < 300; i += 50) {
      const success = Array.from({ length: 50 }, (_, j) =>
        round === 2 && j % 5 === 0 ? { delete: { key: name(i + j) } } : put(i + j, round),
      );
      const { revision } = await etcd.txn({ compare: [], success });
      if (round === 2 && i === 100) await etcd.compact(revision);
    }
  }
  await etcd.txn({ compare: [], success: [{ put: { key: bytes('/leased'), value: bytes('x'), lease: id } }] });
  await etcd.put(bytes('/registry/secrets/ns/large'), Buffer.alloc(500_000, 7));
}

async function verify(...args: string[]): Promise<Document & { code: number | null }> {
  const { code, stdout, stderr } = await hale(['etcd', 'snapshot', 'verify', ...args, '--json']);
  if (stdout === '') throw new Error(stderr);
  return { ...(JSON.parse(stdout) as Document), code };
}

const inspect = (path: string): Promise<SnapshotFindings> => inspectSnapshot({ path, signal: new AbortController().signal });

/** A copy of the snapshot of 3.4, changed. */
function changed(change: (copy: Buffer) => Buffer | undefined): string {
  const copy = readFileSync((saved.get('3.4') as Saved).path);
  const path = join(own, 'changed.db');
  writeFileSync(path, change(copy) ?? copy);
  return path;
}

/** Flags for a trial with the programs of that line. */
const programsOf = (line: EtcdLine) => ['--programs', dirname(findEtcdPrograms(line)?.etcd as string)];

describe.each(ETCD_LINES)('etcd %s', (line) => {
  test.skipIf(etcdProblem(line) !== undefined)('what it sent is good, holds what it held, and is restored', async () => {
    const { path, revision, keys } = saved.get(line) as Saved;
    const { code, verdict, hash, content, trial, problems } = await verify(path, ...programsOf(line));
    expect({ problems, trial }).toMatchObject({ problems: [], trial: { state: 'passed' } });
    expect({ code, verdict, hash: hash.state }).toEqual({ code: 0, verdict: 'good', hash: 'matches' });
    expect({ revision: content.revision, keys: content.keys }).toEqual({ revision, keys });
    expect(content.groups.find(({ name }) => name === 'pods')?.keys).toBe(100);
  });

  test.skipIf(etcdProblem(line) !== undefined)('a copy of its database is good by its structure, and restored', async () => {
    const { code, verdict, hash, trial } = await verify(`${saved.get(line)?.path}.raw`, ...programsOf(line));
    expect({ code, verdict, hash: hash.state, trial: trial.state }).toEqual({ code: 0, verdict: 'good', hash: 'absent', trial: 'passed' });
  });
});

describe('damage is found', () => {
  test('a byte that is changed, wherever', async () => {
    const size = readFileSync((saved.get('3.4') as Saved).path).length;
    const regions = [0, 16, 24, 64, 4096, 4096 + 70, size - 1, size - 32, size - 33];
    const spread = Array.from({ length: 12 }, (_, i) => Math.floor(((i + Math.random()) / 12) * size));
    for (const offset of [...regions, ...spread]) {
      const found = await inspect(changed((copy) => void copy.writeUInt8(copy.readUInt8(offset) ^ (1 << (offset % 8)), offset)));
      expect({ offset, sound: isSound(found) }).toEqual({ offset, sound: false });
    }
  });

  test('with a hash that matches, everything but values, free space and first names', () => {
    const whole = readFileSync((saved.get('3.4') as Saved).path).subarray(0, -32);
    expect(inspected(whole).problems).toEqual([]);
    const copy = Buffer.from(whole);
    let found = 0;
    for (let i = 0; i < 1000; i++) {
      const offset = Math.floor(Math.random() * copy.length);
      copy.writeUInt8(copy.readUInt8(offset) ^ (1 << (i % 8)), offset);
      if (inspected(copy).count > 0) found++;
      whole.copy(copy, offset, offset, offset + 1);
    }
    // About one in ten bytes of this file is of the structure, of a revision or of a key.
    expect(found).toBeGreaterThan(20);
  });

  test('a file that was cut', async () => {
    const size = readFileSync((saved.get('3.4') as Saved).path).length;
    for (const length of [1, 31, 32, 4095, 4096, 8192, 8192 + 32, size - 4096, size - 32, size - 1]) {
      const found = await inspect(changed((copy) => copy.subarray(0, length)));
      // Without its hash it is what a copy of the database would be, and that is whole.
      expect({ length, sound: isSound(found) }).toEqual({ length, sound: length === size - 32 });
    }
  });

  test.each([
    ['an empty file', () => Buffer.alloc(0)],
    ['a text', () => bytes('# backup of etcd\n'.repeat(999))],
    ['zeros', () => Buffer.alloc(1 << 20)],
  ] as const)('%s', async (_, content) => {
    const { code, verdict, problems, trial } = await verify(changed(content));
    expect({ code, verdict, trial: trial.state }).toEqual({ code: 1, verdict: 'bad', trial: 'skipped' });
    expect(problems.at(-1)?.what).toBe('meta_none');
  });

  test('a page of zeros with a hash that matches: where it is wrong is said', async () => {
    const path = changed((copy) => {
      // A leaf of the bucket `key`: one that holds a record.
      const page = Math.floor(copy.indexOf('/registry/pods/ns/object-3') / 4096);
      copy.fill(0, page * 4096, (page + 1) * 4096);
      createHash('sha256')
        .update(copy.subarray(0, -32))
        .digest()
        .copy(copy, copy.length - 32);
      return undefined;
    });
    const { code, stdout } = await hale(['etcd', 'snapshot', 'verify', path]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^wrong {6}page \d+, byte \d+: the page (calls itself page 0|is of the wrong kind)/m);
  });

  test('what is encrypted is decrypted into a file of its own; damaged, it is bad; without the key nothing is said', async () => {
    const identity = await generateX25519Identity();
    const [keyFile, path] = [join(own, 'key.txt'), join(own, 'sealed.db.age')];
    writeFileSync(keyFile, `${identity}\n`, { mode: 0o600 });
    const plain = readFileSync((saved.get('3.4') as Saved).path);
    const pieces: Uint8Array[] = [];
    for await (const piece of encrypted(Readable.from([plain]), [await identityToRecipient(identity)])) pieces.push(piece);
    const sealed = Buffer.concat(pieces);
    writeFileSync(path, sealed);
    expect(await verify(path, '--identity', keyFile, '--no-trial')).toMatchObject({ code: 0, verdict: 'good', isEncrypted: true });
    sealed.writeUInt8(sealed.readUInt8(sealed.length - 5000) ^ 1, sealed.length - 5000);
    writeFileSync(path, sealed);
    expect(await verify(path, '--identity', keyFile)).toMatchObject({ code: 1, verdict: 'bad' });
    expect(await hale(['etcd', 'snapshot', 'verify', path])).toMatchObject({ code: 2, stdout: '' });
    expect(readdirSync(temporary)).toEqual([]);
  });
});

describe('the trial', () => {
  test('is incomplete where no etcd is, which is no good verdict unless it is not wanted', async () => {
    const { path } = saved.get('3.4') as Saved;
    const nowhere = join(own, 'nowhere');
    mkdirSync(nowhere);
    expect(await verify(path, '--programs', nowhere)).toMatchObject({ code: 1, verdict: 'incomplete', trial: { state: 'skipped' } });
    expect(await verify(path, '--programs', nowhere, '--no-trial')).toMatchObject({ code: 0, verdict: 'good' });
  });

  test.skipIf(etcdProblem('3.6') !== undefined)('is not made with an etcd that is older than the file', async () => {
    const { path } = saved.get('3.6') as Saved;
    expect(await verify(path, ...programsOf('3.4'))).toMatchObject({ code: 1, verdict: 'incomplete' });
  });

  test.skipIf(etcdProblem('3.6') !== undefined)('a database that was restored with its revision raised is good', async () => {
    const { path, revision } = saved.get('3.6') as Saved;
    const etcdutl = findEtcdPrograms('3.6')?.etcdutl as string;
    const data = join(own, 'raised');
    execFileSync(etcdutl, ['snapshot', 'restore', path, '--data-dir', data, '--bump-revision', '1000000', '--mark-compacted'], {
      stdio: 'ignore',
    });
    const found = await verify(join(data, 'member/snap/db'), ...programsOf('3.6'));
    expect(found).toMatchObject({ code: 0, verdict: 'good', content: { revision: revision + 1_000_000 } });
  });

  test('alarms and users of the file do not stand in its way', async () => {
    const cluster = await startEtcdCluster({ members: 1, flags: { 'quota-backend-bytes': '4000000' } });
    const etcd = createEtcdAdmin({ ...cluster, timeoutMs: 10_000 });
    try {
      const { caFile, certFile, keyFile } = cluster.files;
      const tls = [`--endpoints=${cluster.endpoints[0]}`, `--cacert=${caFile}`, `--cert=${certFile}`, `--key=${keyFile}`];
      const ctl = (...args: string[]) =>
        execFileSync(cluster.programs.etcdctl, [...tls, ...args], { env: { ...process.env, ETCDCTL_API: '3' }, stdio: 'ignore' });
      for (let i = 0; i < 100; i++) {
        try {
          await etcd.put(bytes(`/large/${i}`), Buffer.alloc(100_000));
        } catch {
          break;
        }
      }
      ctl('user', 'add', 'root:secret');
      ctl('user', 'grant-role', 'root', 'root');
      ctl('auth', 'enable');
      copyFileSync(join(cluster.dir, 'm1/member/snap/db'), join(own, 'locked.db'));
    } finally {
      etcd.close();
      await cluster.close();
    }
    const { code, verdict, content, trial } = await verify(join(own, 'locked.db'));
    expect(content.alarms).toMatchObject([{ alarm: 'NOSPACE' }]);
    expect({ code, verdict, trial }).toMatchObject({ code: 0, verdict: 'good', trial: { state: 'passed' } });
  });

  /** Numbers of the processes whose arguments name a folder of these tests. */
  const running = () =>
    readdirSync('/proc').filter((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(join(temporary, 'hale-trial-'));
      } catch {
        return false;
      }
    });
  const folders = () => readdirSync(temporary);

  /** Programs whose etcd stops before it begins, so that a test can act in the middle of a trial. */
  function stoppingPrograms(): string {
    const folder = join(own, 'stopping');
    if (existsSync(folder)) return folder;
    mkdirSync(folder);
    const { etcd, etcdctl } = findEtcdPrograms('3.4') as { etcd: string; etcdctl: string };
    symlinkSync(etcdctl, join(folder, 'etcdctl'));
    writeFileSync(join(folder, 'etcd'), `#!/bin/sh\n[ "$1" = --version ] || kill -STOP $$\nexec ${etcd} "$@"\n`, { mode: 0o755 });
    return folder;
  }

  /** A run in the middle of its trial, and a way to let that go on. */
  async function untilStopped(): Promise<{ child: ChildProcess; goOn: () => void }> {
    const others = running();
    const args = ['etcd', 'snapshot', 'verify', (saved.get('3.4') as Saved).path, '--programs', stoppingPrograms()];
    const child = spawn(HALE, args, { stdio: 'ignore' });
    const isStopped = (pid: string) => {
      const [, state] = /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
      return state === 'T' && !others.includes(pid);
    };
    await until(
      () => running().filter(isStopped).length,
      (count) => count === 1,
      'an etcd is started for the trial',
    );
    return { child, goOn: () => running().forEach((pid) => process.kill(Number(pid), 'SIGCONT')) };
  }

  test('killed, it leaves no process, and a folder that the next run removes', async () => {
    const { child } = await untilStopped();
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    await until(running, (found) => found.length === 0, 'etcd ended with hale');
    expect(folders()).toHaveLength(1);
    expect(await verify((saved.get('3.4') as Saved).path, '--no-trial')).toMatchObject({ code: 0 });
    expect(folders()).toEqual([]);
  });

  test('interrupted, it leaves nothing; one that runs beside it goes on', async () => {
    const other = await untilStopped();
    const otherGone = once(other.child, 'exit');
    const { child } = await untilStopped();
    const gone = once(child, 'exit');
    child.kill('SIGINT');
    expect(await gone).toEqual([3, null]);
    expect(folders()).toHaveLength(1);
    other.goOn();
    expect(await otherGone).toEqual([0, null]);
    expect([...running(), ...folders()]).toEqual([]);
  });
});
