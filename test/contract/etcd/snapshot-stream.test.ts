import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEtcdAdmin } from '../../../src/drivers/etcd/admin.ts';
import type { EtcdTls } from '../../../src/drivers/etcd/endpoints.ts';
import { type BadClient, badClient, type EtcdCluster, startEtcdCluster, untilEtcdAnswers } from '../../support/etcd-cluster.ts';

const TIMEOUT_MS = 1500;
/** Several times what connections and readers hold. */
const VALUES = 12;

let cluster: EtcdCluster;

beforeAll(async () => {
  cluster = await startEtcdCluster({ members: 1 });
  const etcd = createEtcdAdmin(cluster);
  for (let i = 0; i < VALUES; i++) await etcd.put(Buffer.from(`${i}`), Buffer.alloc(1 << 20, i));
  etcd.close();
});

afterAll(async () => await cluster?.close());

interface Asked {
  tls?: EtcdTls;
  url?: string;
  signal?: AbortSignal;
  /** Called when the first part has come. */
  onFirst?: (etcd: ReturnType<typeof createEtcdAdmin>) => unknown;
}

interface Answered {
  code: string | undefined;
  message: string;
  bytes: number;
  isWhole: boolean;
  /** The last 32 bytes, and the SHA-256 of those before. */
  hashes: string[];
}

/** The code of what a snapshot ended with, and what came of it. */
async function ask(asked: Asked = {}): Promise<Answered> {
  const { tls = cluster.tls, url = cluster.endpoints[0] as string, signal = new AbortController().signal, onFirst } = asked;
  const etcd = createEtcdAdmin({ endpoints: [url], tls, timeoutMs: TIMEOUT_MS });
  const blobs: Uint8Array[] = [];
  let bytes = 0;
  let isWhole = false;
  try {
    for await (const { blob, remainingBytes } of etcd.snapshot(url, signal)) {
      if (bytes === 0) await onFirst?.(etcd);
      bytes += blob.length;
      blobs.push(blob);
      isWhole = remainingBytes === 0;
    }
    const whole = Buffer.concat(blobs);
    const hashes = [whole.subarray(-32).toString('hex'), createHash('sha256').update(whole.subarray(0, -32)).digest('hex')];
    return { code: undefined, message: '', bytes, isWhole, hashes };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return { code, message, bytes, isWhole, hashes: [] };
  } finally {
    etcd.close();
  }
}

test('comes whole', async () => {
  const { code, bytes, isWhole, hashes } = await ask();
  expect({ code, isWhole }).toEqual({ code: undefined, isWhole: true });
  expect(bytes).toBeGreaterThan(VALUES << 20);
  expect(hashes[0]).toBe(hashes[1]);
});

describe('fails with what is the matter', () => {
  test.each<[BadClient, string]>([
    ['foreign', 'etcd_certificate_refused'],
    ['expired', 'etcd_certificate_refused'],
    ['untrusting', 'etcd_server_untrusted'],
  ])('a client that is %s: %s', async (kind, code) => {
    const { tls } = await badClient(cluster, kind);
    expect(await ask({ tls })).toMatchObject({ code, bytes: 0 });
  });

  test('nobody listens', async () => {
    expect(await ask({ url: 'https://127.0.0.1:1' })).toMatchObject({
      code: 'etcd_unavailable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test('a member that does not answer, from the start or midway', async () => {
    const [member] = cluster.members as [EtcdCluster['members'][number]];
    try {
      expect(await ask({ onFirst: () => member.freeze() })).toMatchObject({ code: 'etcd_timeout', isWhole: false });
      expect(await ask()).toMatchObject({ code: 'etcd_timeout', bytes: 0 });
    } finally {
      member.thaw();
    }
    await untilEtcdAnswers(cluster);
  });

  test('it is stopped, before or midway', async () => {
    expect(await ask({ signal: AbortSignal.abort() })).toMatchObject({
      code: 'etcd_unavailable',
      bytes: 0,
      message: expect.stringContaining('stopped'),
    });
    const controller = new AbortController();
    expect(await ask({ signal: controller.signal, onFirst: () => controller.abort() })).toMatchObject({
      code: 'etcd_unavailable',
      isWhole: false,
    });
  });

  test('its client is closed', async () => {
    expect(await ask({ onFirst: (etcd) => etcd.close() })).toMatchObject({ code: 'etcd_closed', isWhole: false });
  });

  test('a member that dies midway, or is told to end', async () => {
    const [member] = cluster.members as [EtcdCluster['members'][number]];
    for (const end of [() => member.kill(), () => member.stop()]) {
      expect(await ask({ onFirst: end })).toMatchObject({ code: 'etcd_unavailable', isWhole: false });
      member.start();
      await untilEtcdAnswers(cluster);
    }
  });
});
