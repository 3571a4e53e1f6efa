import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEtcdClient } from '../../../src/drivers/etcd/client.ts';
import { openSnapshot } from '../../../src/drivers/snapshot/open.ts';
import { runOrFail } from '../../../src/lab/command.ts';
import { findProgram } from '../../../src/lab/find-program.ts';
import { type EtcdCluster, startEtcdCluster } from '../../support/etcd-cluster.ts';
import { accessFlags } from '../../support/etcd-command.ts';
import { hale, haleJson } from '../../support/hale.ts';

const problem = findProgram('age') === undefined ? 'skipped: no age: apt-get install age' : undefined;

let cluster: EtcdCluster;
let folder: string;
let recipient: string;

describe.skipIf(problem !== undefined)(`snapshots for age's own program ${problem ?? ''}`, () => {
  beforeAll(async () => {
    cluster = await startEtcdCluster({ members: 1 });
    const etcd = createEtcdClient(cluster);
    for (let i = 0; i < 3; i++) await etcd.put(Buffer.from(`key${i}`), randomBytes(1024 * 1024));
    etcd.close();
    folder = mkdtempSync(join(tmpdir(), 'hale-age-'));
    for (const name of ['own', 'other']) await runOrFail(['age-keygen', '-o', join(folder, `${name}.key`)]);
    recipient = (await runOrFail(['age-keygen', '-y', join(folder, 'own.key')])).trim();
  });

  afterAll(async () => {
    await cluster?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  const save = (...more: string[]) => ['etcd', 'snapshot', 'save', `${folder}/`, ...accessFlags(cluster), ...more];
  const own = () => join(folder, 'own.key');
  const whole = (bytes: Buffer) => createHash('sha256').update(bytes.subarray(0, -32)).digest().equals(bytes.subarray(-32));

  async function read(path: string, identityFile?: string): Promise<Buffer> {
    const { bytes } = await openSnapshot(path, identityFile === undefined ? {} : { identityFile });
    const parts: Uint8Array[] = [];
    for await (const part of bytes) parts.push(Uint8Array.from(part));
    return Buffer.concat(parts);
  }

  test('it opens what hale encrypted, and so does hale', async () => {
    const { place, storedBytes, isEncrypted } = await haleJson<{ place: string; storedBytes: number; isEncrypted: boolean }>(
      save('--recipient', recipient),
    );
    expect({ isEncrypted, isCalledSo: place.endsWith('.db.age') }).toEqual({ isEncrypted: true, isCalledSo: true });
    expect(readFileSync(place)).toHaveLength(storedBytes);
    const plain = join(folder, 'plain');
    await runOrFail(['age', '--decrypt', '--identity', own(), '--output', plain, place]);
    expect(whole(readFileSync(plain))).toBe(true);
    expect((await read(place, own())).equals(readFileSync(plain))).toBe(true);
    expect((await read(plain)).equals(readFileSync(plain))).toBe(true);
    await expect(read(place)).rejects.toMatchObject({ code: 'age_identity_missing' });
    await expect(read(place, join(folder, 'other.key'))).rejects.toMatchObject({ code: 'age_not_for_us' });
  });

  test('hale opens what it encrypted, whatever the file is called', async () => {
    const file = join(folder, 'theirs.db');
    const plain = randomBytes(300_000);
    writeFileSync(join(folder, 'theirs'), plain);
    const other = (await runOrFail(['age-keygen', '-y', join(folder, 'other.key')])).trim();
    await runOrFail(['age', '--encrypt', '--recipient', other, '--recipient', recipient, '--output', file, join(folder, 'theirs')]);
    expect((await read(file, own())).equals(plain)).toBe(true);
  });

  test('an identity file that is none is refused, and not shown', async () => {
    const file = join(folder, 'bad.key');
    writeFileSync(
      file,
      `# mine\n${readFileSync(own(), 'utf8')
        .match(/AGE-SECRET-KEY-\S+/)?.[0]
        .slice(0, -1)}X\n`,
    );
    const snapshot = join(folder, 'encrypted.age');
    await runOrFail(['age', '--encrypt', '--recipient', recipient, '--output', snapshot, own()]);
    const refusal = await read(snapshot, file).catch((error: Error) => error);
    expect(refusal).toMatchObject({ code: 'age_identity_wrong', message: `${file}: line 2 is no secret key that hale can use` });
  });

  test('a public key with a wrong letter is refused, and nothing is written', async () => {
    const wrong = `${recipient.slice(0, -1)}${recipient.endsWith('q') ? 'p' : 'q'}`;
    const refusal = { code: 2, stderr: expect.stringContaining('[age_recipient_wrong]') };
    expect(await hale(save('--recipient', recipient, '--recipient', wrong))).toMatchObject(refusal);
    expect((await haleJson<{ snapshots: unknown[] }>(['etcd', 'snapshot', 'list', folder])).snapshots).toHaveLength(1);
  });
});
