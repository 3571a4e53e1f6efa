import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createLab, type Lab, listLabs, removeLab } from '../../src/lab/lab.ts';
import { STAND_IN } from '../../src/lab/kubernetes/programs.ts';
import { stopDaemon } from '../../src/lab/stop.ts';
import { awaitSteady } from '../../src/lab/drill/agents.ts';
import { answersAtAddress, etcdctl } from '../support/control-plane-lab.ts';
import { hale } from '../support/hale.ts';
import type { LabHost } from '../../src/lab/host.ts';
import { labImpossible } from '../support/lab.ts';
import { BUCKET, s3Problem, startS3Server } from '../support/s3-server.ts';
import {
  atStep,
  dataFolder,
  etcdServes,
  everyStep,
  fingerprint,
  isOpen,
  journalOf,
  killedAt,
  put,
  snapshot,
  succeeds,
  value,
} from '../support/etcd-operation.ts';

const PATIENCE_MS = 600_000;
const LAB = ['--lab', 'r'];
const EARLY = ['send', 'build', 'stop-apiserver', 'stop-etcd', 'keep', 'place', 'start-etcd', 'compare'];
/** Those before `place` put back nothing that these do not. */
const ROLLED_BACK_AT = everyStep(['build', 'stop-etcd', 'keep', 'place', 'start-etcd', 'compare'], { usually: ['start-etcd'] });
const LATE = ['start-apiserver', 'start-apiservers', 'address', 'tidy'];

let base: string;
let lab: Lab;
let file: string;

describe.skipIf(labImpossible !== undefined)(`hale etcd restore ${labImpossible ?? ''}`, { timeout: PATIENCE_MS }, () => {
  beforeAll(async () => {
    base = mkdtempSync(join(tmpdir(), 'hale-restore-test-'));
    process.env['HALE_LAB_DIR'] = base;
    lab = await createLab({ name: 'r', kubernetes: STAND_IN });
    await awaitSteady(lab, { timeoutMs: 120_000 });
    await put(lab.host('cp1'), 'kept', 'then');
    file = await snapshot(lab.host('cp2'), join(base, 'snapshot.db'));
  }, PATIENCE_MS);

  afterEach(async () => {
    // The next test begins with an operation of its own, also when this one failed.
    if (isOpen(lab)) await hale(['etcd', 'restore', ...LAB, '--rollback', '--yes']);
  }, PATIENCE_MS);

  afterAll(async () => {
    for (const { name } of listLabs()) await removeLab(name);
    rmSync(base, { recursive: true });
    delete process.env['HALE_LAB_DIR'];
  }, PATIENCE_MS);

  /** Writes something that a restore takes away, and tells what etcd holds then. */
  async function writeMore() {
    await put(lab.host('cp3'), 'later', 'now');
    return await fingerprint(lab.host('cp1'));
  }

  async function expectRestored(): Promise<void> {
    expect(await value(lab.host('cp2'), 'kept')).toBe('then');
    expect(await value(lab.host('cp3'), 'later')).toBe('');
    expect(new Set(await answersAtAddress(lab))).toEqual(new Set(['200 ok']));
    for (const host of lab.controlPlane) {
      expect(dataFolder(host).filter((name) => !name.startsWith('member-'))).toEqual(['member']);
    }
  }

  test('restores every member, keeps what was there, and tells what is left to do', async () => {
    await writeMore();
    const { stdout } = await succeeds(['etcd', 'restore', file, ...LAB, '--yes', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      state: 'finished',
      afterwards: expect.arrayContaining([expect.stringContaining('kubelet')]),
    });
    await expectRestored();
    for (const host of lab.controlPlane) expect(dataFolder(host)).toContainEqual(expect.stringMatching(/^member-before-restore-/));
  });

  test('killed at every step, it goes on from there', async () => {
    await writeMore();
    await killedAt(lab, 'send', ['etcd', 'restore', file, ...LAB, '--yes']);
    for (const step of [...EARLY, ...LATE].slice(1)) await killedAt(lab, step, ['etcd', 'restore', ...LAB, '--resume']);
    await succeeds(['etcd', 'restore', ...LAB, '--resume']);
    await expectRestored();
  });

  test.each(ROLLED_BACK_AT)('killed at %s, it puts everything back', async (step) => {
    const before = await writeMore();
    await killedAt(lab, step, ['etcd', 'restore', file, ...LAB, '--yes']);
    // Whoever is killed while things are put back goes on with that.
    await killedAt(lab, 'send', ['etcd', 'restore', ...LAB, '--rollback']);
    expect(await hale(['etcd', 'restore', ...LAB, '--resume'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('operation_rolling_back'),
    });
    await succeeds(['etcd', 'restore', ...LAB, '--rollback']);
    expect(await fingerprint(lab.host('cp2'))).toMatchObject({ revision: before.revision, members: before.members });
    expect(new Set(await answersAtAddress(lab))).toEqual(new Set(['200 ok']));
  });

  test('after API servers have served the new data, putting back loses what was written since, and says so', async () => {
    const before = await writeMore();
    await killedAt(lab, 'address', ['etcd', 'restore', file, ...LAB, '--yes']);
    await put(lab.host('cp1'), 'since', 'x');
    const asked = await hale(['etcd', 'restore', ...LAB, '--rollback']);
    expect(asked).toMatchObject({ code: 2, stderr: expect.stringMatching(/1 changes, is lost[^]*not_confirmed/) });
    await succeeds(['etcd', 'restore', ...LAB, '--rollback', '--yes']);
    expect(await fingerprint(lab.host('cp2'))).toMatchObject({ revision: before.revision, members: before.members });
    for (const host of lab.controlPlane) expect(dataFolder(host)).toContainEqual(expect.stringMatching(/^member-rolled-back-/));
  });

  test('a host that loses power keeps etcd stopped when it boots, and the restore goes on', async () => {
    await writeMore();
    const cp2 = lab.host('cp2');
    const failed = await atStep(lab, { step: 'keep', args: ['etcd', 'restore', file, ...LAB, '--yes'], act: () => cp2.powerOff() });
    // The step may have been over by then; one of those behind it finds the host gone.
    expect(failed).toMatchObject({ code: 3, stderr: expect.stringMatching(/cp2.*\[operation_stopped\][^]*--resume/) });
    expect(await hale(['etcd', 'restore', file, ...LAB, '--yes'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('[operation_open]'),
    });
    expect(await hale(['etcd', 'recover', ...LAB, '--yes'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('[operation_open]'),
    });
    expect(await hale(['etcd', 'restore', ...LAB, '--resume'])).toMatchObject({ code: 3, stderr: expect.stringContaining('cp2') });
    await cp2.boot();
    expect([cp2.running('etcd'), cp2.running('apiserver'), cp2.running('agent')]).toEqual([false, false, true]);
    await succeeds(['etcd', 'restore', ...LAB, '--resume']);
    await expectRestored();
  });

  test('a disk that fills up on one host stops it before anything was touched', async () => {
    const before = await writeMore();
    const cp3 = lab.host('cp3');
    // Room enough for whoever asks, and none for another file.
    await onSmallDisk(cp3, async () => {
      const full = await hale(['etcd', 'restore', file, ...LAB, '--yes']);
      expect(full).toMatchObject({ code: 3, stderr: expect.stringMatching(/cp3: .*No space left[^]*operation_stopped/) });
      expect(journalOf(lab).at(-1)).toMatchObject({ kind: 'failed', step: 'send' });
      expect(await fingerprint(lab.host('cp1'))).toMatchObject({ revision: before.revision });
      await cp3.exec(['sh', '-c', 'rm /var/lib/etcd/filler-*']);
      await succeeds(['etcd', 'restore', ...LAB, '--resume']);
      expect(await value(lab.host('cp1'), 'later')).toBe('');
    });
  });

  test('Ctrl-C stops it, says where it stands, and both ways are open', async () => {
    await writeMore();
    const args = ['etcd', 'restore', file, ...LAB, '--yes'];
    const stopped = await atStep(lab, { step: 'build', args, act: (child) => child.kill('SIGINT') });
    expect(stopped).toMatchObject({ code: 3, stderr: expect.stringMatching(/\[operation_interrupted\][^]*--resume[^]*--rollback/) });
    expect((await hale(['etcd', 'restore', ...LAB, '--resume', '--dry-run'])).stderr).toContain('still to be done');
    // Somebody else has begun meanwhile.
    const lock = '/hale/etcd/operation';
    await put(lab.host('cp3'), lock, JSON.stringify({ what: 'defrag', host: 'elsewhere', pid: 7, since: '2026-01-01T00:00:00.000Z' }));
    const said = expect.stringMatching(/hale etcd defrag, process 7 on elsewhere/);
    expect(await hale(['etcd', 'restore', ...LAB, '--resume'])).toMatchObject({ code: 3, stderr: said });
    for (const host of lab.controlPlane) expect(host.running('apiserver')).toBe(true);
    await succeeds(['etcd', 'restore', ...LAB, '--rollback']);
    for (const host of lab.controlPlane) expect(dataFolder(host).filter((name) => name.startsWith('restore-'))).toEqual([]);
    expect(await hale(args)).toMatchObject({ code: 3, stderr: said });
    expect(isOpen(lab)).toBe(false);
    await etcdctl(lab.host('cp3'), ['del', lock]);
  });

  test.skipIf(s3Problem() !== undefined)(`from a bucket, encrypted ${s3Problem() ?? ''}`, async () => {
    const identityFile = join(base, 'identity');
    const identity = await generateX25519Identity();
    writeFileSync(identityFile, identity);
    const encrypted = join(base, 'snapshot.db.age');
    const encrypter = new Encrypter();
    encrypter.addRecipient(await identityToRecipient(identity));
    writeFileSync(encrypted, await encrypter.encrypt(readFileSync(file)));
    const ofFile = (...more: string[]) => hale(['etcd', 'restore', encrypted, ...LAB, '--dry-run', ...more]);
    expect(await ofFile()).toMatchObject({ code: 2, stderr: expect.stringContaining('[age_identity_missing]') });
    expect(await ofFile('--identity', identityFile)).toMatchObject({ code: 0 });
    await writeMore();
    const s3 = await startS3Server();
    try {
      await s3.put('a/snapshot.db.age', readFileSync(encrypted));
      const reach = [
        '--s3-endpoint',
        s3.endpoint,
        '--s3-ca',
        s3.caFile,
        '--s3-credentials',
        s3.credentialsFile,
        '--identity',
        identityFile,
      ];
      const restore = ['etcd', 'restore', ...LAB, ...reach];
      await killedAt(lab, 'send', [...restore, `s3://${BUCKET}/a/snapshot.db.age`, '--yes']);
      await succeeds([...restore, '--resume']);
      await expectRestored();
    } finally {
      await s3.close();
    }
  });

  test('refuses a damaged snapshot, a host that is off and a question that nobody answers, and touches nothing', async () => {
    const entries = journalOf(lab).length;
    const bytes = readFileSync(file);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
    const damaged = join(base, 'damaged.db');
    writeFileSync(damaged, bytes);
    expect(await hale(['etcd', 'restore', damaged, ...LAB, '--yes'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('[restore_snapshot_bad]'),
    });
    expect(await hale(['etcd', 'restore', file, ...LAB])).toMatchObject({ code: 2, stderr: expect.stringContaining('[not_confirmed]') });
    expect(await hale(['etcd', 'restore', file, ...LAB, '--dry-run'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('snapshot restore'),
    });
    expect(await hale(['etcd', 'restore', ...LAB, '--resume'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('[operation_not_open]'),
    });
    await lab.host('cp2').powerOff();
    expect(await hale(['etcd', 'restore', file, ...LAB, '--yes'])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('[host_unreachable]'),
    });
    await lab.host('cp2').boot();
    await etcdServes(lab.host('cp2'));
    expect(journalOf(lab)).toHaveLength(entries);
  });

  test('no option restores one member of several', async () => {
    const { stdout } = await hale(['etcd', 'restore', '--help']);
    const options = [...stdout.matchAll(/^ {2}(--[\w-]+)/gm)].map(([, option]) => option);
    const reaching = ['--config', '--s3-endpoint', '--s3-region', '--s3-path-style', '--s3-credentials', '--s3-ca'];
    const known = ['--lab', '--identity', ...reaching, '--lost', '--resume', '--rollback', '--dry-run', '--yes', '--json'];
    expect(options).toEqual(known);
  });
});

/** Puts a host's data on a file system of its own that takes no more files, for as long as `work` lasts. */
async function onSmallDisk(host: LabHost, work: () => Promise<void>): Promise<void> {
  const move = async (script: string): Promise<void> => {
    await stopDaemon(host, 'etcd');
    const { code, stderr } = await host.exec(['sh', '-ec', script]);
    if (code !== 0) throw new Error(stderr);
    await host.restart('etcd');
    await etcdServes(host);
  };
  await move(`cp -a /var/lib/etcd /var/lib/hale/data
    mount -t tmpfs -o size=1g,nr_inodes=$(($(find /var/lib/hale/data | wc -l) + 20)) none /var/lib/etcd
    cp -a /var/lib/hale/data/. /var/lib/etcd/
    chmod 0700 /var/lib/etcd`);
  await host.exec(['sh', '-c', 'i=0; while touch /var/lib/etcd/filler-$i; do i=$((i+1)); done']);
  try {
    await work();
  } finally {
    await move(`rm -rf /var/lib/hale/data /var/lib/etcd/filler-* && cp -a /var/lib/etcd /var/lib/hale/data && umount /var/lib/etcd
      rm -rf /var/lib/etcd/* && cp -a /var/lib/hale/data/. /var/lib/etcd/ && rm -rf /var/lib/hale/data`);
  }
}
