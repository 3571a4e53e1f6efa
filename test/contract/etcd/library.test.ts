import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packageFolder } from '../../../src/drivers/program.ts';
import { type EtcdCluster, startEtcdCluster } from '../../support/etcd-cluster.ts';

/** A program of somebody else's, in a folder of its own. */
const PROGRAM = `
import { createHash } from 'node:crypto';
import {
  createEtcdAdmin, type EtcdView, folderTarget, formatSnapshotName, HaleError, inspectSnapshot, lookAtEtcd, planDefrag, quorumText, readEtcdTls, saveSnapshot,
  snapshotSources,
} from 'hale/etcd';

const [folder, ...endpoints] = process.argv.slice(2) as [string, ...string[]];
const tls = readEtcdTls({ caFile: 'ca.crt', certFile: 'client.crt', keyFile: 'client.key' });
const etcd = createEtcdAdmin({ endpoints, tls, timeoutMs: 5000 });
const view: EtcdView = await lookAtEtcd({ etcd, urls: endpoints });
const saved = await saveSnapshot({
  etcd,
  sources: snapshotSources(view),
  target: folderTarget(folder),
  nameOf: (revision) => formatSnapshotName({ cluster: 'mine', takenAtMs: 0, revision, isEncrypted: false }),
  seal: (plain) => plain,
  createHash: () => createHash('sha256'),
  signal: new AbortController().signal,
  onBegin: () => {},
  onProgress: () => {},
  onNote: () => {},
});
const refused = await etcd.removeMember('1').catch((error: unknown) => (error instanceof HaleError ? error.code : 'no HaleError'));
etcd.close();
const plan = planDefrag(view, { memberIds: [] });
console.log(JSON.stringify({ quorum: quorumText(view.quorum), name: saved.name, turns: plan.targets.length, refused, inspects: typeof inspectSnapshot }));
`;

let cluster: EtcdCluster;

beforeAll(async () => {
  cluster = await startEtcdCluster({ members: 3 });
});

afterAll(async () => {
  await cluster?.close();
});

test('a program outside of this repository imports hale/etcd, with its types', () => {
  const { dir, endpoints } = cluster;
  const bin = join(packageFolder, 'node_modules/.bin');
  execFileSync(process.execPath, [join(packageFolder, 'scripts/build.ts')]);
  execFileSync(join(bin, 'tsc'), ['--build', join(packageFolder, 'src/library')]);
  mkdirSync(join(dir, 'node_modules'));
  symlinkSync(packageFolder, join(dir, 'node_modules/hale'));
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
  writeFileSync(join(dir, 'program.ts'), PROGRAM);
  const roots = join(packageFolder, 'node_modules/@types');
  const checks = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--target', 'es2024', '--module', 'nodenext', '--types', 'node'];
  execFileSync(join(bin, 'tsc'), [...checks, '--typeRoots', roots, 'program.ts'], { cwd: dir, encoding: 'utf8' });
  const snapshots = join(dir, 'snapshots');
  const said = execFileSync(process.execPath, ['program.ts', snapshots, ...endpoints], { cwd: dir, encoding: 'utf8' });
  const name = expect.stringMatching(/^hale-mine-19700101T000000Z-rev\d+\.db$/);
  const quorum = '3 of 3 voters answer, 2 are needed: 1 more may fail';
  expect(JSON.parse(said)).toEqual({ quorum, name, turns: 3, refused: 'etcd_refused', inspects: 'function' });
  expect(readdirSync(snapshots)).toEqual([name]);
}, 120_000);
