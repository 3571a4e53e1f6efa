import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createEtcdClient } from '../../../src/drivers/etcd/client.ts';
import { runOrFail } from '../../../src/lab/command.ts';
import { type EtcdCluster, startEtcdCluster, untilEtcdAnswers } from '../../support/etcd-cluster.ts';
import { accessFlags } from '../../support/etcd-command.ts';
import { findEtcdPrograms } from '../../support/etcd-programs.ts';
import { HALE, hale, haleJson } from '../../support/hale.ts';
import { type MeteredRelay, startMeteredRelay } from '../../support/metered-relay.ts';

const MIB = 1024 * 1024;
const VALUES = 24;

let cluster: EtcdCluster;
let relays: MeteredRelay[];
let folder: string;
let revision: number;

beforeAll(async () => {
  cluster = await startEtcdCluster({ members: 3 });
  relays = await Promise.all(cluster.endpoints.map((url) => startMeteredRelay({ host: '127.0.0.1', port: Number(new URL(url).port) })));
  const etcd = createEtcdClient(cluster);
  for (let i = 0; i < VALUES; i++) ({ revision } = await etcd.put(Buffer.from(`key${i}`), randomBytes(MIB)));
  etcd.close();
  folder = mkdtempSync(join(tmpdir(), 'hale-snapshots-'));
});

afterEach(() => {
  for (const relay of relays ?? []) relay.allow(Number.POSITIVE_INFINITY);
  for (const name of readdirSync(folder)) rmSync(join(folder, name));
});

afterAll(async () => {
  for (const relay of relays ?? []) relay.close();
  await cluster?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true });
});

const access = (endpoints = cluster.endpoints) => [...accessFlags({ ...cluster, endpoints }), '--cluster', 'prod'];
const throughRelays = () => access(relays.map(({ port }) => `https://127.0.0.1:${port}`));
const save = ['etcd', 'snapshot', 'save'];

interface Saved {
  name: string;
  place: string;
  member: { name: string };
  revision: number;
  sizeBytes: number;
  hasQuorum: boolean;
  notes: string[];
}

/** A run that a test does something to. */
function start(args: readonly string[]): { child: ChildProcess; ended: Promise<{ code: number | null; stderr: string }> } {
  const child = spawn(HALE, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return { child, ended: once(child, 'close').then(([code]) => ({ code: code as number | null, stderr })) };
}

const files = () => readdirSync(folder).toSorted();

function expectWhole(path: string): void {
  const bytes = readFileSync(path);
  expect(bytes.length).toBeGreaterThan(VALUES * MIB);
  expect(createHash('sha256').update(bytes.subarray(0, -32)).digest().equals(bytes.subarray(-32))).toBe(true);
}

describe('saved to a folder', () => {
  test('a snapshot is whole, for its owner only, and what etcd itself reads', async () => {
    const saved = await haleJson<Saved>([...save, folder, ...access()]);
    expect(saved.name).toMatch(/^hale-prod-\d{8}T\d{6}Z-rev\d+\.db$/);
    expect(saved).toMatchObject({ place: join(folder, saved.name), revision, hasQuorum: true, notes: [] });
    expect(files()).toEqual([saved.name]);
    expectWhole(saved.place);
    expect(statSync(saved.place).mode & 0o777).toBe(0o600);
    const { etcdutl } = findEtcdPrograms('3.6') ?? findEtcdPrograms('3.5') ?? {};
    const status = [
      ...(etcdutl === undefined ? ['env', 'ETCDCTL_API=3', 'etcdctl'] : [etcdutl]),
      'snapshot',
      'status',
      saved.place,
      '-w',
      'json',
    ];
    expect(JSON.parse(await runOrFail(status))).toMatchObject({ revision, totalSize: saved.sizeBytes - 32 });
  });

  test('the list shows it beside other files, which pruning leaves', async () => {
    writeFileSync(join(folder, 'hale-prod-20200101T000000Z-rev1.db'), 'old');
    writeFileSync(join(folder, 'hale-other-20200101T000000Z-rev1.db'), 'of another cluster');
    writeFileSync(join(folder, 'notes.db'), 'foreign');
    const { name } = await haleJson<Saved>([...save, folder, ...access(), '--prune']);
    expect(files()).toContain('hale-prod-20200101T000000Z-rev1.db');
    const prune = [
      'etcd',
      'snapshot',
      'prune',
      folder,
      '--cluster',
      'prod',
      ...['last', 'hourly', 'daily', 'weekly'].flatMap((rule) => [`--keep-${rule}`, '1']),
    ];
    const before = files();
    expect(await haleJson([...prune, '--dry-run'])).toMatchObject({ removed: ['hale-prod-20200101T000000Z-rev1.db'], isDone: false });
    expect(await hale(prune)).toMatchObject({ code: 2, stderr: expect.stringContaining('not_confirmed') });
    expect(files()).toEqual(before);
    expect(await haleJson([...prune, '--yes'])).toMatchObject({ kept: [{ name }], isDone: true });
    expect(files()).toEqual(['hale-other-20200101T000000Z-rev1.db', name, 'notes.db'].toSorted());
    const { snapshots } = await haleJson<{ snapshots: { name: string; revision: number }[] }>(['etcd', 'snapshot', 'list', folder]);
    expect(snapshots).toMatchObject([{ name, revision, cluster: 'prod', isEncrypted: false }, { cluster: 'other' }]);
  });

  test('a file that is there is not overwritten', async () => {
    const path = join(folder, 'mine.db');
    writeFileSync(path, 'mine');
    expect(await hale([...save, path, ...access()])).toMatchObject({ code: 2, stderr: expect.stringContaining('snapshot_exists') });
    expect(readFileSync(path, 'utf8')).toBe('mine');
    expect(files()).toEqual(['mine.db']);
  });
});

describe('interrupted', () => {
  test.each([60_000, 5 * MIB, 23 * MIB])(
    'killed after %i bytes it leaves no file under the final name, and the next run sweeps',
    async (bytes) => {
      for (const relay of relays) relay.allow(bytes);
      const { child, ended } = start([...save, folder, ...throughRelays()]);
      await Promise.race(relays.map((relay) => relay.untilHeld()));
      child.kill('SIGKILL');
      await ended;
      expect(files()).toEqual([expect.stringMatching(/^hale-prod-.*\.db\.\d+-\d+-[0-9a-f]{8}\.part$/)]);
      const { name, place } = await haleJson<Saved>([...save, folder, ...access()]);
      expect(files()).toEqual([name]);
      expectWhole(place);
    },
  );

  test('another run leaves a part alone whose writer lives', async () => {
    for (const relay of relays) relay.allow(5 * MIB);
    const { ended } = start([...save, folder, ...throughRelays()]);
    await Promise.race(relays.map((relay) => relay.untilHeld()));
    const [part] = files();
    // Within the same second both would have the same name.
    await haleJson<Saved>([...save, folder, ...access(), '--cluster', 'other']);
    expect(files()).toContain(part);
    for (const relay of relays) relay.allow(Number.POSITIVE_INFINITY);
    expect(await ended).toMatchObject({ code: 0 });
    expect(files().filter((name) => name.endsWith('.part'))).toEqual([]);
    for (const name of files()) expectWhole(join(folder, name));
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('%s removes what was written', async (signal) => {
    for (const relay of relays) relay.allow(5 * MIB);
    const { child, ended } = start([...save, folder, ...throughRelays()]);
    await Promise.race(relays.map((relay) => relay.untilHeld()));
    expect(files()).toHaveLength(1);
    child.kill(signal);
    expect(await ended).toMatchObject({ code: 3, stderr: expect.stringContaining('[interrupted]') });
    expect(files()).toEqual([]);
  });

  test('a member that dies midway is replaced by the next, from the start', async () => {
    const held = relays.map((relay, i) => {
      relay.allow(9 * MIB);
      return relay.untilHeld().then(() => i);
    });
    const { ended } = start([...save, folder, ...throughRelays()]);
    const asked = await Promise.race(held);
    await cluster.members[asked]?.kill();
    for (const relay of relays) relay.allow(Number.POSITIVE_INFINITY);
    try {
      const { code, stderr } = await ended;
      expect({ code, stderr }).toMatchObject({
        code: 0,
        stderr: expect.stringMatching(new RegExp(`m${asked + 1}: .*starting again with m`)),
      });
      expect(files()).toEqual([expect.stringMatching(/^hale-prod-.*\.db$/)]);
      expectWhole(join(folder, files()[0] as string));
    } finally {
      cluster.members[asked]?.start();
      await untilEtcdAnswers(cluster);
    }
  });
});

describe('a disk that is full', () => {
  test('midway: nothing is left, and the error says so', async () => {
    // RLIMIT_FSIZE, in blocks of 512 bytes: the kernel refuses the write, as a full disk does.
    const { code, stderr } = await inShell(`ulimit -f ${(10 * MIB) / 512}; exec "$0" "$@"`, [...save, folder, ...access()]);
    expect({ code, stderr }).toMatchObject({ code: 3, stderr: expect.stringContaining('[snapshot_disk_full]') });
    expect(files()).toEqual([]);
  });

  test('hale does not begin to fill one that etcd may share', async () => {
    const inside = 'mount -t tmpfs -o size=128m none "$MOUNT" && "$0" "$@"; code=$?; ls -A "$MOUNT"; exit $code';
    const { code, stderr, stdout } = await inShell(`MOUNT=${folder} exec unshare -rm sh -c '${inside}' "$0" "$@"`, [
      ...save,
      folder,
      ...access(),
    ]);
    expect({ code, stderr, stdout }).toMatchObject({ code: 3, stderr: expect.stringContaining('[snapshot_no_space]'), stdout: '' });
  });
});

async function inShell(script: string, args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn('sh', ['-c', script, HALE, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  child.stdout.setEncoding('latin1').on('data', (text: string) => (said.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}

describe('standard output', () => {
  test('takes the bytes of a snapshot and nothing else', async () => {
    const { stdout, code } = await inShell('"$0" "$@" | cat', [...save, '-', ...access()]);
    expect(code).toBe(0);
    const bytes = Buffer.from(stdout, 'latin1');
    expect(createHash('sha256').update(bytes.subarray(0, -32)).digest().equals(bytes.subarray(-32))).toBe(true);
  });

  test('a reader that closes early is an error', async () => {
    const script = '{ "$0" "$@"; echo "ended with $?" >&2; } | head -c 100000 >/dev/null';
    const { stderr } = await inShell(script, [...save, '-', ...access()]);
    expect(stderr).toContain('[snapshot_reader_gone]');
    expect(stderr).toContain('ended with 3');
  });

  test('a reader that stands still does not hold up an interrupt', async () => {
    const child = spawn(HALE, [...save, '-', ...access()], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    await once(child.stdout, 'readable');
    child.kill('SIGINT');
    const [code] = (await once(child, 'exit')) as [number];
    expect({ code, stderr }).toMatchObject({ code: 3, stderr: expect.stringContaining('[interrupted]') });
    child.stdout.destroy();
  });
});

test('without a quorum a snapshot is what one member has, and it says so', async () => {
  await Promise.all([cluster.members[0]?.kill(), cluster.members[1]?.kill()]);
  try {
    const saved = await haleJson<Saved>([...save, folder, ...access()]);
    expect(saved).toMatchObject({
      member: { name: 'm3' },
      revision,
      hasQuorum: false,
      notes: [expect.stringContaining('the quorum is lost')],
    });
    expectWhole(saved.place);
    expect(await hale([...save, folder, ...access(), '--member', 'm1'])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('[snapshot_member_unfit]'),
    });
    expect(await hale([...save, folder, ...access(), '--member', 'm9'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('name one of m1, m2, m3'),
    });
  } finally {
    for (const member of cluster.members.slice(0, 2)) member.start();
    await untilEtcdAnswers(cluster);
  }
  expect(existsSync(folder)).toBe(true);
});
