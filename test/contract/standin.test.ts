import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text as readText } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { writeKeyPair } from '../../src/drivers/pki/files.ts';
import { type EtcdCluster, startEtcdCluster, untilEtcdAnswers } from '../support/etcd-cluster.ts';

const MAIN = fileURLToPath(new URL('../../src/lab/standin/main.ts', import.meta.url));
const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'));

let cluster: EtcdCluster;
const running: ChildProcess[] = [];

beforeAll(async () => {
  cluster = await startEtcdCluster({ members: 3 });
  const names = { dnsNames: [], ipAddresses: ['127.0.0.1', '127.0.0.2', '::1'], usages: ['server'] as const, validityDays: 1 };
  writeKeyPair(cluster.dir, 'apiserver', await cluster.authority.issue({ commonName: 'apiserver', ...names }));
  writeFileSync(join(cluster.dir, 'empty'), '');
});

afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});

afterAll(async () => {
  await cluster?.close();
});

interface Process {
  child: ChildProcess;
  urls: string[];
  /** All lines so far. */
  log: string[];
}

function run(flags: string[]): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  running.push(child);
  return child;
}

/** Starts a stand-in and returns when it listens on all of its addresses. */
async function start(options: { listen?: string[]; withClientCa?: boolean } = {}): Promise<Process> {
  const file = (name: string) => join(cluster.dir, name);
  const listen = options.listen ?? ['127.0.0.1:0'];
  const flags = ['--name', 'cp1', '--listen', listen.join(','), '--tls-cert', file('apiserver.crt'), '--tls-key', file('apiserver.key')];
  flags.push(
    '--etcd',
    cluster.endpoints.join(','),
    '--etcd-ca',
    file('ca.crt'),
    '--etcd-cert',
    file('client.crt'),
    '--etcd-key',
    file('client.key'),
  );
  if (options.withClientCa) flags.push('--client-ca', file('ca.crt'));
  const child = run(flags);
  const log: string[] = [];
  const urls: string[] = [];
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    log.push(line);
    const url = / serving (https:\S+)$/.exec(line)?.[1];
    if (url !== undefined) urls.push(url);
    if (urls.length === listen.length) break;
  }
  if (urls.length < listen.length) throw new Error(await readText(child.stderr as NodeJS.ReadableStream));
  return { child, urls, log };
}

interface CallOptions {
  method?: string;
  body?: unknown;
  certificate?: boolean;
}

function open(url: string, options: CallOptions = {}) {
  const tls = options.certificate ? { cert: cluster.tls.certPem, key: cluster.tls.keyPem } : {};
  return request(url, { method: options.method ?? 'GET', ca: cluster.tls.caPem, agent: new Agent(tls) });
}

async function call(url: string, options: CallOptions = {}) {
  const outgoing = open(url, options);
  outgoing.end(options.body === undefined ? undefined : JSON.stringify(options.body));
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  const text = await readText(response);
  const isJson = response.headers['content-type'] === 'application/json';
  return { code: response.statusCode, server: response.headers['x-hale-server'], text, json: isJson ? JSON.parse(text) : undefined };
}

async function untilReady(url: string, code: number) {
  for (;;) {
    const answer = await call(`${url}/readyz`);
    if (answer.code === code) return answer;
    await sleep(50);
  }
}

/** Lines of a watch, parsed as they come. */
async function* watch(url: string): AsyncGenerator<{ type: string; object: { metadata: Record<string, string>; data?: unknown } }> {
  const outgoing = open(url);
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  try {
    for await (const line of createInterface({ input: response })) yield JSON.parse(line);
  } finally {
    response.destroy();
  }
}

const maps = (url: string, namespace: string) => `${url}/api/v1/namespaces/${namespace}/configmaps`;

describe('stand-in', () => {
  test('says what it is, in its first line and in /version, and who answered, at every address', async () => {
    const { urls, log } = await start({ listen: ['127.0.0.1:0', hasIpv6 ? '[::1]:0' : '127.0.0.2:0'] });
    expect(log[0]).toContain('stand-in for kube-apiserver, not a real API server');
    expect(urls).toHaveLength(2);
    for (const url of urls) {
      expect(await call(`${url}/version`)).toMatchObject({
        code: 200,
        server: 'cp1',
        json: { gitVersion: 'stand-in', standIn: true, node: 'cp1' },
      });
      expect(await call(`${url}/livez`)).toMatchObject({ code: 200, server: 'cp1', text: 'ok' });
      expect(await untilReady(url, 200)).toMatchObject({ server: 'cp1', text: 'ok' });
      expect((await call(`${url}/readyz?verbose`)).text).toBe('[+]ping ok\n[+]etcd ok\n[+]shutdown ok\nreadyz check passed\n');
      expect(await call(`${url}/nowhere`)).toMatchObject({ code: 404, server: 'cp1', json: { kind: 'Status' } });
    }
  });

  test('keeps config maps in etcd, guarded by resourceVersion', async () => {
    const [url = ''] = (await start()).urls;
    const at = `${maps(url, 'crud')}/one`;
    expect(await call(at)).toMatchObject({ code: 404, json: { kind: 'Status', status: 'Failure', reason: 'NotFound', code: 404 } });
    const first = await call(at, { method: 'PUT', body: { data: { a: '1' } } });
    expect(first).toMatchObject({ code: 200, json: { kind: 'ConfigMap', metadata: { name: 'one', namespace: 'crud' }, data: { a: '1' } } });
    const second = await call(at, { method: 'PUT', body: { ...first.json, data: { a: '2' } } });
    expect(Number(second.json.metadata.resourceVersion)).toBeGreaterThan(Number(first.json.metadata.resourceVersion));
    const stale = await call(at, { method: 'PUT', body: { ...first.json, data: { a: '3' } } });
    expect(stale).toMatchObject({ code: 409, json: { kind: 'Status', reason: 'Conflict' } });
    expect((await call(at)).json).toEqual(second.json);
    expect((await call(maps(url, 'crud'))).json).toMatchObject({ kind: 'ConfigMapList', items: [second.json] });
    expect((await call(maps(url, 'cru'))).json.items).toEqual([]);
    expect(await call(at, { method: 'DELETE' })).toMatchObject({ code: 200, json: { status: 'Success' } });
    expect((await call(at, { method: 'DELETE' })).code).toBe(404);
    expect((await call(at, { method: 'PUT', body: second.json })).code).toBe(404);
  });

  test('refuses what is no config map, bears a client that leaves, and goes on', async () => {
    const { child, urls } = await start();
    const [url = ''] = urls;
    const at = `${maps(url, 'bad')}/one`;
    expect(await call(at, { method: 'PUT', body: [] })).toMatchObject({ code: 400, json: { reason: 'BadRequest' } });
    expect((await call(at, { method: 'PUT', body: { metadata: { name: 'two' } } })).json.message).toContain('"two" is not "one"');
    expect((await call(at, { method: 'PUT', body: { data: 'x'.repeat(2 ** 21) } })).code).toBe(413);
    expect((await call(at, { method: 'PUT', body: { metadata: { resourceVersion: 'x' } } })).code).toBe(400);
    expect((await call(at, { method: 'PATCH', body: {} })).code).toBe(405);
    const leaving = open(at, { method: 'PUT' }).setHeader('Expect', '100-continue');
    leaving.on('error', () => {}).flushHeaders();
    await once(leaving, 'continue');
    leaving.destroy();
    expect((await call(maps(url, 'bad'))).json.items).toEqual([]);
    expect(child.exitCode).toBeNull();
  });

  test('streams changes from a resourceVersion, with a bookmark now and then', async () => {
    const [url = ''] = (await start()).urls;
    const at = `${maps(url, 'watched')}/one`;
    const { resourceVersion } = (await call(maps(url, 'watched'))).json.metadata;
    await call(at, { method: 'PUT', body: { data: { a: '1' } } });
    await call(at, { method: 'PUT', body: { data: { a: '2' } } });
    const seen = [];
    for await (const event of watch(`${maps(url, 'watched')}?watch=1&resourceVersion=${resourceVersion}`)) {
      seen.push(event);
      if (event.type === 'MODIFIED') await call(at, { method: 'DELETE' });
      if (event.type === 'BOOKMARK') break;
    }
    expect(seen.map(({ type, object }) => [type, object.data])).toEqual([
      ['ADDED', { a: '1' }],
      ['MODIFIED', { a: '2' }],
      ['DELETED', { a: '2' }],
      ['BOOKMARK', undefined],
    ]);
    const versions = seen.map(({ object }) => Number(object.metadata['resourceVersion']));
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
    expect(versions[3]).toBe(versions[2]);
    await call(at, { method: 'PUT', body: { data: { a: '3' } } });
    for await (const event of watch(`${maps(url, 'watched')}?watch=1`)) {
      expect(event).toMatchObject({ type: 'ADDED', object: { data: { a: '3' } } });
      break;
    }
  });

  test('with a client authority: health for everybody, objects for holders of a certificate', async () => {
    const [url = ''] = (await start({ withClientCa: true })).urls;
    expect((await call(`${url}/livez`)).code).toBe(200);
    expect(await call(maps(url, 'auth'))).toMatchObject({ code: 401, json: { reason: 'Unauthorized' } });
    expect((await call(maps(url, 'auth'), { certificate: true })).code).toBe(200);
  });
});

describe('bad days', () => {
  test('starts without etcd and says so, turns ready with it, and not ready when etcd goes', async () => {
    await Promise.all(cluster.members.map((member) => member.kill()));
    try {
      const [url = ''] = (await start()).urls;
      const down = await untilReady(url, 500);
      expect(down.text).toMatch(/^\[\+\]ping ok\n\[-\]etcd failed: .+\n\[\+\]shutdown ok\nreadyz check failed\n$/);
      expect((await call(`${url}/livez`)).text).toBe('ok');
      expect(await call(maps(url, 'down'))).toMatchObject({ code: 503, server: 'cp1', json: { kind: 'Status' } });
      for (const member of cluster.members) member.start();
      await untilReady(url, 200);
      for (const member of cluster.members) member.freeze();
      const frozen = await untilReady(url, 500);
      expect(frozen.text).toContain('no answer within the deadline');
      expect((await call(maps(url, 'down'))).code).toBe(504);
      for (const member of cluster.members) member.thaw();
      await untilReady(url, 200);
    } finally {
      await Promise.all(cluster.members.map((member) => member.kill()));
      for (const member of cluster.members) member.start();
      await untilEtcdAnswers(cluster);
    }
  });

  test('SIGTERM: not ready, accepts nobody, ends watches, finishes what runs, and is gone', async () => {
    const { child, urls } = await start();
    const [url = ''] = urls;
    await untilReady(url, 200);
    const watching = watch(`${maps(url, 'end')}?watch=1`);
    await call(`${maps(url, 'end')}/one`, { method: 'PUT', body: {} });
    expect((await watching.next()).value).toMatchObject({ type: 'ADDED' });
    const put = open(`${maps(url, 'end')}/two`, { method: 'PUT' }).setHeader('Expect', '100-continue');
    put.flushHeaders();
    await once(put, 'continue');
    const late = await connected(url);
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    while ((await watching.next()).done !== true);
    late.write('GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await readText(late)).toMatch(/^HTTP\/1.1 500 [^]*\[-\]shutdown failed: the server is shutting down/);
    await expect(call(`${url}/livez`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    put.end('{}');
    const [response] = (await once(put, 'response')) as [IncomingMessage];
    expect([response.statusCode, JSON.parse(await readText(response)).metadata.name]).toEqual([200, 'two']);
    expect(await exit).toEqual([0, null]);
  });

  test('wrong flags, files and addresses are told in a line each', async () => {
    expect(await failure(['--name', 'cp1'])).toEqual({ code: 2, text: expect.stringMatching(/^stand-in: missing --listen, .*\nnode src/) });
    await expect(start({ listen: ['127.0.0.1'] })).rejects.toThrow('--listen 127.0.0.1 is not ADDR:PORT');
    const { urls } = await start();
    const taken = (urls[0] as string).replace('https://', '');
    await expect(start({ listen: [taken] })).rejects.toThrow(`address already in use ${taken}`);
  });
});

async function failure(flags: string[]) {
  const child = run(flags);
  const [text, [code]] = await Promise.all([readText(child.stderr as NodeJS.ReadableStream), once(child, 'exit')]);
  return { code, text };
}

async function connected(url: string): Promise<TLSSocket> {
  const { hostname, port } = new URL(url);
  const socket = tlsConnect({ host: hostname, port: Number(port), ca: cluster.tls.caPem });
  await once(socket, 'secureConnect');
  return socket;
}
