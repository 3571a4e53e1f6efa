import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createEtcdClient } from '../../../src/drivers/etcd/client.ts';
import { openSnapshot } from '../../../src/drivers/snapshot/open.ts';
import { type EtcdCluster, startEtcdCluster, untilEtcdAnswers } from '../../support/etcd-cluster.ts';
import { accessFlags } from '../../support/etcd-command.ts';
import { HALE, hale, haleJson } from '../../support/hale.ts';
import { type MeteredRelay, startMeteredRelay } from '../../support/metered-relay.ts';
import { BUCKET, type S3Server, s3Problem, startS3Server } from '../../support/s3-server.ts';

const MIB = 1024 * 1024;
const VALUES = 30;
const problem = s3Problem();

let cluster: EtcdCluster;
let relays: MeteredRelay[];
let s3: S3Server;

describe.skipIf(problem !== undefined)(`snapshots in S3-compatible storage ${problem ?? ''}`, () => {
  beforeAll(async () => {
    // Nowhere but in the files and variables of a test.
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
    process.env['AWS_EC2_METADATA_DISABLED'] = 'true';
    cluster = await startEtcdCluster({ members: 2 });
    relays = await Promise.all(cluster.endpoints.map((url) => startMeteredRelay({ host: '127.0.0.1', port: Number(new URL(url).port) })));
    const etcd = createEtcdClient(cluster);
    for (let i = 0; i < VALUES; i++) await etcd.put(Buffer.from(`key${i}`), randomBytes(MIB));
    etcd.close();
    s3 = await startS3Server();
  });

  afterEach(() => {
    for (const relay of relays ?? []) relay.allow(Number.POSITIVE_INFINITY);
  });

  afterAll(async () => {
    for (const relay of relays ?? []) relay.close();
    await cluster?.close();
    await s3?.close();
  });

  const reach = () => ['--s3-endpoint', s3.endpoint, '--s3-ca', s3.caFile];
  const credentials = () => ['--s3-credentials', s3.credentialsFile];
  const etcdFlags = () => {
    const endpoints = relays.map(({ port }) => `https://127.0.0.1:${port}`);
    return [...accessFlags({ ...cluster, endpoints }), '--cluster', 'prod'];
  };
  const save = (prefix: string, more: readonly string[] = credentials()) => [
    'etcd',
    'snapshot',
    'save',
    `s3://${BUCKET}/${prefix}`,
    ...etcdFlags(),
    ...reach(),
    ...more,
  ];
  const whole = (bytes: Buffer) => createHash('sha256').update(bytes.subarray(0, -32)).digest().equals(bytes.subarray(-32));

  test('an upload in parts is whole, listed, and read back', async () => {
    const saved = await haleJson<{ name: string; place: string; sizeBytes: number; notes: string[] }>(save('a/'));
    expect(saved).toMatchObject({ place: `s3://${BUCKET}/a/${saved.name}`, notes: [] });
    expect(saved.sizeBytes).toBeGreaterThan(VALUES * MIB);
    expect(await s3.objects()).toEqual([`a/${saved.name}`]);
    expect(await s3.uploads()).toEqual([]);
    expect(whole(await s3.read(`a/${saved.name}`))).toBe(true);
    const listed = await haleJson(['etcd', 'snapshot', 'list', `s3://${BUCKET}/a`, ...reach(), ...credentials()]);
    expect(listed).toMatchObject({ snapshots: [{ name: saved.name, cluster: 'prod', sizeBytes: saved.sizeBytes }] });
    const opened = await openSnapshot(saved.place, {
      s3: { endpoint: s3.endpoint, caFile: s3.caFile, credentialsFile: s3.credentialsFile },
    });
    const parts: Uint8Array[] = [];
    for await (const part of opened.bytes) parts.push(Uint8Array.from(part));
    expect(opened.storedBytes).toBe(saved.sizeBytes);
    expect(whole(Buffer.concat(parts))).toBe(true);
  });

  test('a named object is not overwritten', async () => {
    await s3.put('mine.db', 'mine');
    expect(await hale(save('mine.db'))).toMatchObject({ code: 2, stderr: expect.stringContaining('[s3_object_exists]') });
    expect((await s3.read('mine.db')).toString()).toBe('mine');
  });

  test('interrupted midway, nothing is left on the server', async () => {
    const before = await s3.objects();
    const { child, ended } = await untilHalf('b/');
    expect(await s3.uploads()).toEqual([expect.stringMatching(/^b\/hale-prod-/)]);
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 3, stderr: expect.stringContaining('[interrupted]') });
    expect(await s3.uploads()).toEqual([]);
    expect(await s3.objects()).toEqual(before);
  });

  test('a member that dies midway is replaced by the next, in a new upload', async () => {
    const { asked, ended } = await untilHalf('c/');
    await cluster.members[asked]?.kill();
    for (const relay of relays) relay.allow(Number.POSITIVE_INFINITY);
    try {
      expect(await ended).toMatchObject({ code: 0, stderr: expect.stringContaining('starting again with m') });
      expect(await s3.uploads()).toEqual([]);
      const [key, ...others] = (await s3.objects()).filter((name) => name.startsWith('c/'));
      expect(others).toEqual([]);
      expect(whole(await s3.read(key as string))).toBe(true);
    } finally {
      cluster.members[asked]?.start();
      await untilEtcdAnswers(cluster);
    }
  });

  test('killed midway, no object appears', async () => {
    const { child, ended } = await untilHalf('d/');
    child.kill('SIGKILL');
    await ended;
    expect((await s3.objects()).filter((name) => name.startsWith('d/'))).toEqual([]);
  });

  test('pruning leaves the newest, and what is not of this cluster', async () => {
    const others = ['e/hale-other-20200101T000000Z-rev1.db', 'e/notes', 'e/sub/hale-prod-20200101T000000Z-rev1.db'];
    for (const key of [...others, 'e/hale-prod-20200102T000000Z-rev1.db', 'e/hale-prod-20200101T000000Z-rev1.db']) await s3.put(key, 'x');
    const rules = ['last', 'hourly', 'daily', 'weekly'].flatMap((rule) => [`--keep-${rule}`, '1']);
    const pruned = await haleJson([
      'etcd',
      'snapshot',
      'prune',
      `s3://${BUCKET}/e/`,
      '--cluster',
      'prod',
      ...rules,
      '--yes',
      ...reach(),
      ...credentials(),
    ]);
    expect(pruned).toMatchObject({ removed: ['hale-prod-20200101T000000Z-rev1.db'] });
    const left = (await s3.objects()).filter((name) => name.startsWith('e/'));
    expect(left).toEqual([...others, 'e/hale-prod-20200102T000000Z-rev1.db'].toSorted());
  });

  test('credentials come from the environment too, and wrong ones are not shown', async () => {
    const list = ['etcd', 'snapshot', 'list', `s3://${BUCKET}/a/`, ...reach()];
    const ask = async (secret: string) => {
      process.env['AWS_ACCESS_KEY_ID'] = s3.secrets.accessKey;
      process.env['AWS_SECRET_ACCESS_KEY'] = secret;
      try {
        return await hale(list);
      } finally {
        delete process.env['AWS_ACCESS_KEY_ID'];
        delete process.env['AWS_SECRET_ACCESS_KEY'];
      }
    };
    expect(await ask(s3.secrets.secretKey)).toMatchObject({ code: 0 });
    const refused = await ask('wrong-secret-0123456789');
    expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining('SignatureDoesNotMatch') });
    expect(refused.stderr).not.toContain('wrong-secret');
    expect(refused.stderr).not.toContain(s3.secrets.accessKey);
  });

  test('what is wrong is told with its way out', async () => {
    const list = (bucket: string, more: readonly string[]) => hale(['etcd', 'snapshot', 'list', `s3://${bucket}/`, ...more]);
    expect((await list('no-such-bucket', [...reach(), ...credentials()])).stderr).toContain('NoSuchBucket');
    expect((await list(BUCKET, ['--s3-endpoint', s3.endpoint, ...credentials()])).stderr).toMatch(
      /\[s3_failed\]\n {2}name the authority that/,
    );
    expect((await list(BUCKET, reach())).stderr).toContain('AWS_ACCESS_KEY_ID');
    chmodSync(s3.credentialsFile, 0o644);
    expect(await list(BUCKET, [...reach(), ...credentials()])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('[s3_credentials_open]'),
    });
    chmodSync(s3.credentialsFile, 0o600);
  });

  /** A run that has sent two parts of about four, and stands still. */
  async function untilHalf(prefix: string) {
    const held = relays.map((relay, i) => {
      relay.allow(20 * MIB);
      return relay.untilHeld().then(() => i);
    });
    const child = spawn(HALE, save(prefix), { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stderr }));
    const asked = await Promise.race(held);
    return { child, ended, asked };
  }
});
