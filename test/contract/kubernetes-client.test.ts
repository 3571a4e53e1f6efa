import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { createKubernetesClient, type KubernetesClientOptions } from '../../src/drivers/kubernetes/client.ts';
import { createAuthority } from '../../src/drivers/pki/authority.ts';
import type { Kubernetes } from '../../src/ports/kubernetes.ts';
import { until } from '../support/hale.ts';
import { type KubernetesCluster, kubernetesProblem, startKubernetes } from '../support/kubernetes.ts';

const problem = kubernetesProblem();
const WHO = '/apis/authentication.k8s.io/v1/selfsubjectreviews';

describe.skipIf(problem !== undefined)(`client of a real kube-apiserver${problem === undefined ? '' : ` (${problem})`}`, () => {
  let cluster: KubernetesCluster;
  let clients: Kubernetes[] = [];

  beforeAll(async () => {
    cluster = await startKubernetes({ dnsNames: ['api.example.com'] });
  }, 180_000);
  afterAll(async () => cluster?.close());
  afterEach(() => {
    for (const client of clients) client.close();
    clients = [];
  });

  function open(options: Partial<KubernetesClientOptions> = {}): Kubernetes {
    const client = createKubernetesClient({ kubeconfig: cluster.adminConf, ...options });
    clients.push(client);
    return client;
  }

  /** The administrator's kubeconfig, changed. */
  function variant(name: string, change: (config: { cluster: Record<string, string>; user: Record<string, string> }) => void): string {
    const config = parse(execFileSync('cat', [cluster.adminConf], { encoding: 'utf8' }));
    change({ cluster: config.clusters[0].cluster, user: config.users[0].user });
    const path = join(cluster.dir, name);
    writeFileSync(path, stringify(config), { mode: 0o600 });
    return path;
  }

  async function whoAmI(client: Kubernetes): Promise<string> {
    const { status, body } = await client.request('POST', WHO, {
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
    });
    return status === 201 ? (body as { status: { userInfo: { username: string } } }).status.userInfo.username : `HTTP ${status}`;
  }

  test('is known by its client certificate, and gets answers of any status', async () => {
    const client = open();
    expect(await whoAmI(client)).toBe('kubernetes-super-admin');
    expect(await client.request('GET', '/readyz')).toEqual({ status: 200, body: 'ok' });
    expect(await client.request('GET', '/api/v1/namespaces/none')).toMatchObject({
      status: 404,
      body: { kind: 'Status', reason: 'NotFound' },
    });
    const made = await client.request('POST', '/api/v1/namespaces', { body: { metadata: { name: 'made' } } });
    expect(made.status).toBe(201);
    expect((await client.request('DELETE', '/api/v1/namespaces/made')).status).toBe(200);
  });

  function connections(): string[] {
    const sockets = execFileSync('ss', ['-Htnp', 'state', 'established', 'dport = :6443'], { encoding: 'utf8' });
    return sockets.split('\n').filter((line) => line.includes(`pid=${process.pid},`));
  }

  test.each([
    [undefined, 1],
    [4, 4],
  ])('keeps one connection for all calls, or as many as it may (maxSockets: %s)', async (maxSockets, count) => {
    const client = open(maxSockets === undefined ? {} : { maxSockets });
    await Promise.all(Array.from({ length: 20 }, () => client.request('GET', '/version')));
    await client.request('GET', '/version');
    expect(connections()).toHaveLength(count);
  });

  test('PATCH is a merge patch: null removes, and a list is replaced', async () => {
    const client = open();
    const path = '/api/v1/namespaces/default/configmaps';
    await client.request('POST', path, { body: { metadata: { name: 'patched', finalizers: ['a.example/x'] }, data: { a: '1', b: '2' } } });
    const body = { metadata: { finalizers: [] }, data: { a: null, c: '3' } };
    expect(await client.request('PATCH', `${path}/patched`, { body })).toMatchObject({ status: 200, body: { data: { b: '2', c: '3' } } });
    expect((await client.request('DELETE', `${path}/patched`)).status).toBe(200);
    expect((await client.request('GET', `${path}/patched`)).status).toBe(404);
  });

  test('reaches another address than that of the URL, and still makes the server prove the name in the URL', async () => {
    const connectTo = { host: '10.99.0.1', port: 6443 };
    for (const server of ['https://api.example.com:6443', 'https://10.96.0.1:6443']) {
      const kubeconfig = variant('elsewhere.conf', ({ cluster: its }) => (its['server'] = server));
      expect(await whoAmI(open({ kubeconfig, connectTo }))).toBe('kubernetes-super-admin');
    }
    for (const server of ['https://wrong.example.com:6443', 'https://10.99.0.77:6443']) {
      const kubeconfig = variant('wrong.conf', ({ cluster: its }) => (its['server'] = server));
      await expect(open({ kubeconfig, connectTo }).request('GET', '/version')).rejects.toMatchObject({
        code: 'kubernetes_unreachable',
        message: expect.stringMatching(/at 10\.99\.0\.1:6443 failed: .*altnames/),
        remedy: expect.stringContaining('wrong.conf'),
      });
    }
    const named = variant('named.conf', ({ cluster: its }) => {
      its['server'] = 'https://10.99.0.77:6443';
      its['tls-server-name'] = 'api.example.com';
    });
    expect(await whoAmI(open({ kubeconfig: named, connectTo }))).toBe('kubernetes-super-admin');
  });

  test('does not trust a server of another authority', async () => {
    const other = await createAuthority({ commonName: 'kubernetes', validityDays: 1 });
    const kubeconfig = variant(
      'untrusted.conf',
      ({ cluster: its }) => (its['certificate-authority-data'] = Buffer.from(other.certPem).toString('base64')),
    );
    await expect(open({ kubeconfig }).request('GET', '/version')).rejects.toMatchObject({
      code: 'kubernetes_unreachable',
      remedy: expect.stringContaining('certificate authority'),
    });
  });

  test('goes by a token in a file, and by the next one when that is replaced', async () => {
    const admin = open();
    const tokenOf = async (name: string): Promise<string> => {
      await admin.request('POST', '/api/v1/namespaces/default/serviceaccounts', { body: { metadata: { name } } });
      const path = `/api/v1/namespaces/default/serviceaccounts/${name}/token`;
      return ((await admin.request('POST', path, { body: {} })).body as { status: { token: string } }).status.token;
    };
    const kubeconfig = variant('token.conf', ({ user }) => {
      for (const key of Object.keys(user)) delete user[key];
      user['token'] = 'of-less-weight';
      user['tokenFile'] = 'token';
    });
    writeFileSync(join(cluster.dir, 'token'), `${await tokenOf('first')}\n`);
    const client = open({ kubeconfig });
    expect(await whoAmI(client)).toBe('system:serviceaccount:default:first');
    writeFileSync(join(cluster.dir, 'token'), await tokenOf('second'));
    expect(await whoAmI(client)).toBe('system:serviceaccount:default:second');
  });

  test('uses a renewed certificate, and the old one while the new pair is not complete', async () => {
    const pairOf = (commonName: string) =>
      cluster.authority.issue({ commonName, dnsNames: [], ipAddresses: [], usages: ['client'], validityDays: 1 });
    const [before, after] = [await pairOf('before'), await pairOf('after')];
    const write = (name: string, text: string) => writeFileSync(join(cluster.dir, name), text, { mode: 0o600 });
    const kubeconfig = variant('files.conf', ({ user }) => {
      for (const key of Object.keys(user)) delete user[key];
      user['client-certificate'] = 'user.crt';
      user['client-key'] = 'user.key';
    });
    write('user.crt', before.certPem);
    write('user.key', before.keyPem);
    const client = open({ kubeconfig });
    expect(await whoAmI(client)).toBe('before');
    write('user.crt', after.certPem);
    expect(await whoAmI(client)).toBe('before');
    write('user.key', after.keyPem);
    expect(await whoAmI(client)).toBe('after');
  });

  test('finds the API below a path', async () => {
    const pair = await cluster.authority.issue({
      commonName: 's',
      dnsNames: [],
      ipAddresses: ['127.0.0.1'],
      usages: ['server'],
      validityDays: 1,
    });
    const server = createServer({ cert: pair.certPem, key: pair.keyPem }, (req, res) => res.end(`${req.url} for ${req.headers.host}`));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const kubeconfig = variant('below.conf', ({ cluster: its }) => (its['server'] = `https://127.0.0.1:${port}/k8s/c-1/`));
    const { body } = await open({ kubeconfig }).request('GET', '/version?x=1');
    expect(body).toBe(`/k8s/c-1/version?x=1 for 127.0.0.1:${port}`);
    server.closeAllConnections();
    server.close();
  });

  test('a call to a frozen server ends with its deadline, and the next one after the thaw is answered', async () => {
    const [server] = cluster.apiservers;
    const client = open();
    await client.request('GET', '/version');
    server?.freeze();
    try {
      await expect(client.request('GET', '/version', { timeoutMs: 300 })).rejects.toMatchObject({
        code: 'kubernetes_unreachable',
        message: expect.stringContaining('no answer within the deadline'),
      });
    } finally {
      server?.thaw();
    }
    expect((await client.request('GET', '/version')).status).toBe(200);
  });

  test('calls that wait for the connection end with their own deadline, with their signal, and when the client is closed', async () => {
    const [server] = cluster.apiservers;
    const client = open();
    await client.request('GET', '/version');
    server?.freeze();
    try {
      const ended: string[] = [];
      const signal = new AbortController();
      const calls = [{}, { timeoutMs: 300 }, { signal: signal.signal }, {}].map((options, i) =>
        client.request('GET', '/version', { timeoutMs: 60_000, ...options }).catch((error: Error) => ended.push(`${i} ${error.message}`)),
      );
      await calls[1];
      signal.abort();
      await calls[2];
      client.close();
      await Promise.all(calls);
      const reasons = ['1 GET .* no answer within the deadline', '2 GET .* nobody waits', '0 GET .* was closed', '3 GET .* was closed'];
      expect(ended).toEqual(reasons.map((reason) => expect.stringMatching(reason)));
    } finally {
      server?.thaw();
    }
    // Whatever was opened by then is older than the answer that another one gets.
    const other = open();
    await other.request('GET', '/version');
    other.close();
    await until(connections, ({ length }) => length === 0, 'no connection is left');
    await expect(client.request('GET', '/version')).rejects.toMatchObject({ message: expect.stringContaining('was closed') });
  });

  test('a server that was killed and runs again is asked again', async () => {
    const [server] = cluster.apiservers;
    const client = open();
    await client.request('GET', '/version');
    await server?.kill();
    await expect(client.request('GET', '/version')).rejects.toMatchObject({ message: expect.stringContaining('ECONNREFUSED') });
    server?.start();
    await server?.untilReady();
    expect(await whoAmI(client)).toBe('kubernetes-super-admin');
  });
});
