/** etcd, kube-apiserver, kube-controller-manager and kube-scheduler in the units that are rendered for them, under a real systemd. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Answer } from '../support/https-get.ts';
import { HALE, lackingProgram, SystemdHost, until } from '../support/systemd-host.ts';
import { createTestLan, type TestLan } from '../support/netns.ts';
import { systemdProblem } from '../support/systemd-machine.ts';

const DAEMONS = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const;
const START_MS = 240_000;
const PKI = '/etc/kubernetes/pki';
const ADMIN = { cert: `${PKI}/apiserver-kubelet-client.crt`, key: `${PKI}/apiserver-kubelet-client.key` };
const API = 'https://10.77.0.11:6443';
const problem = systemdProblem() ?? lackingProgram();

let lan: TestLan;
let host: SystemdHost;

beforeAll(async () => {
  if (problem !== undefined) return;
  lan = createTestLan([]);
  host = await SystemdHost.start(lan.lan);
  await host.install();
}, START_MS);

afterAll(async () => {
  await host?.machine.remove();
  lan?.remove();
});

async function get(urls: string[], files: { cert?: string; key?: string } = {}): Promise<Answer[]> {
  const wanted = JSON.stringify({ urls, ca: `${PKI}/ca.crt`, ...files });
  return JSON.parse(await host.machine.output(`${HALE}/node_modules/.bin/node`, `${HALE}/test/support/https-get.ts`, wanted)) as Answer[];
}

const kubectlAt = (url: string, ...words: string[]) =>
  host.machine.output('kubectl', '--cache-dir=/run/kubectl', '--kubeconfig=/etc/kubernetes/super-admin.conf', `--server=${url}`, ...words);
const kubectl = (...words: string[]) => kubectlAt(API, ...words);

async function startControlPlane(url: string): Promise<void> {
  const started = await host.machine.run(['systemctl', 'start', ...DAEMONS]);
  if (started.code !== 0) throw new Error(`${started.stderr}\n${await host.machine.output('journalctl', '--no-pager', '--lines=60')}`);
  await until(
    async () => (await get([`${url}/readyz`]))[0]?.status,
    (status) => status === 200,
    'the API server is ready',
  );
}

async function untilActive(name: string): Promise<void> {
  const look = async () => (await host.machine.run(['systemctl', 'is-active', name])).stdout.trim();
  await until(look, (state) => state === 'active', `${name} is active`).catch(async (error: Error) => {
    throw new Error(`${error.message}\n${await host.journal(name)}`, { cause: error });
  });
}

describe.skipIf(problem !== undefined)(
  `control plane${problem === undefined ? '' : `: skipped: ${problem}`}`,
  { timeout: START_MS },
  () => {
    beforeAll(async () => {
      await startControlPlane(API);
    }, START_MS);

    test("each daemon runs as a user of its own without rights, from a tree that is root's alone", async () => {
      for (const name of DAEMONS) {
        const pid = await host.mainPid(name);
        const status = await host.machine.output('cat', `/proc/${pid}/status`);
        expect(/^CapEff:\s*(\w+)$/m.exec(status)?.[1]).toBe('0'.repeat(16));
        expect((await host.machine.output('stat', '--format=%U', `/proc/${pid}`)).trim()).toBe(name);
      }
      expect((await host.machine.output('stat', '--format=%U %a', '/etc/kubernetes', `${PKI}/etcd/server.key`)).trim()).toBe(
        'root 700\nroot 600',
      );
    });

    test('no flag of theirs is on its way out', async () => {
      for (const name of DAEMONS) expect(await host.journal(name)).not.toMatch(/deprecated/i);
    });

    test('controller manager and scheduler are healthy, and lead', async () => {
      await until(
        async () => (await kubectl('get', 'leases', '-n', 'kube-system', '-o', 'name')).split('\n'),
        (names) =>
          names.includes('lease.coordination.k8s.io/kube-controller-manager') && names.includes('lease.coordination.k8s.io/kube-scheduler'),
        'both have a lease',
      );
      for (const port of [10257, 10259]) {
        // Their certificates are their own.
        const ask = `const https = require('node:https'); https.get('https://127.0.0.1:${port}/healthz', { rejectUnauthorized: false }, (res) => { process.stdout.write(String(res.statusCode)); res.destroy(); });`;
        expect(await host.machine.output(`${HALE}/node_modules/.bin/node`, '-e', ask)).toBe('200');
      }
      await kubectl('create', 'deployment', 'works', '--image=none');
      await until(
        () => kubectl('get', 'pods', '-o', 'name'),
        (pods) => pods.startsWith('pod/works-'),
        'the controllers make a Pod',
      );
    });

    test('health is for everybody, and nothing else', async () => {
      const open = await get(['livez', 'readyz', 'healthz'].map((path) => `${API}/${path}`));
      expect(open.map(({ status, body }) => [status, body])).toEqual([1, 2, 3].map(() => [200, 'ok']));
      const closed = await get(
        ['api', 'version', 'livez/etcd', 'metrics', 'api/v1/namespaces/default/secrets'].map((path) => `${API}/${path}`),
      );
      expect(closed.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401]);
      expect((await get([`${API}/api`], ADMIN))[0]?.status).toBe(200);
    });

    test('a Secret is encrypted in etcd, and in the audit log without its value', async () => {
      await kubectl('create', 'secret', 'generic', 'hidden', '--from-literal=word=correcthorse');
      await kubectl('create', 'configmap', 'shown', '--from-literal=word=batterystaple');
      const etcd = [
        '--endpoints=https://127.0.0.1:2379',
        `--cacert=${PKI}/etcd/ca.crt`,
        `--cert=${PKI}/etcd/server.crt`,
        `--key=${PKI}/etcd/server.key`,
      ];
      const raw = (key: string) => host.machine.output('env', 'ETCDCTL_API=3', 'etcdctl', ...etcd, 'get', '--print-value-only', key);
      expect(await raw('/registry/secrets/default/hidden')).toMatch(/^k8s:enc:secretbox:v1:first:/);
      expect(await raw('/registry/configmaps/default/shown')).toContain('batterystaple');
      await get([`${API}/readyz`]);
      const log = readFileSync(join(host.machine.root, 'var/log/kubernetes/audit.log'), 'utf8');
      const events = log
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as AuditEvent);
      expect(events.filter(({ verb, objectRef }) => verb === 'create' && objectRef?.name === 'hidden')).toMatchObject([
        { level: 'Metadata', user: { username: 'kubernetes-super-admin' }, responseStatus: { code: 201 } },
      ]);
      expect(log).not.toMatch(/correcthorse|batterystaple|Y29ycmVjdGhvcnNl/);
      expect(events.filter(({ requestURI }) => /^\/(readyz|livez|healthz)/.test(requestURI))).toEqual([]);
      expect(events.filter(({ objectRef }) => objectRef?.resource === 'leases')).toEqual([]);
    });

    test('600 seats for requests at once are shared out by priority and fairness', async () => {
      const metrics = await kubectl('get', '--raw', '/metrics');
      const levels = [...metrics.matchAll(/^apiserver_flowcontrol_nominal_limit_seats\{priority_level="([\w-]+)"\} (\d+)$/gm)];
      const seats = new Map(levels.map(([, level, count]) => [level, Number(count)]));
      expect(seats.get('leader-election')).toBeGreaterThan(0);
      const sum = [...seats.values()].reduce((total, count) => total + count, 0);
      // Each level's share is rounded up.
      expect([sum >= 600, sum <= 600 + levels.length]).toEqual([true, true]);
    });

    test('a daemon that dies is started again', async () => {
      const before = await host.mainPid('kube-scheduler');
      await host.machine.output('kill', '-9', `${before}`);
      await until(
        () => host.mainPid('kube-scheduler'),
        (pid) => pid !== before && pid > 0,
        'there is another',
      );
    });

    test('an API server that is stopped is unready at once, and serves on meanwhile', async () => {
      await host.machine.output('systemctl', 'stop', '--no-block', 'kube-apiserver');
      const urls = ['readyz', 'livez', 'readyz?verbose', 'api'].map((path) => `${API}/${path}`);
      const [answers] = await Promise.all([
        until(
          () => get(urls, ADMIN),
          ([readyz]) => readyz?.status === 500,
          'unready',
        ),
        kubectl('create', 'configmap', 'late'),
      ]);
      const [, livez, verbose, api] = answers;
      expect([livez?.status, verbose?.status, api?.status]).toEqual([200, 500, 200]);
      expect(verbose?.body).toContain('[-]shutdown failed: reason withheld\n');
      await host.machine.output('systemctl', 'start', 'kube-apiserver');
      await untilActive('kube-apiserver');
      expect(await kubectl('get', 'configmap', 'late', '-o', 'name')).toBe('configmap/late\n');
    });
  },
);

const KINDS = [
  {
    kind: 'IPv6 only, on its own address alone',
    changes: {
      endpoint: { address: 'fd77::100', port: 8443, interface: 'eth0' },
      controlPlane: { hosts: [{ name: 'cp1', address: 'fd77::11/64' }] },
      kubernetes: { serviceSubnet: 'fd00:96::/112', podSubnet: 'fd00:244::/56' },
      apiserver: { bind: 'host' },
    },
    url: 'https://[fd77::11]:6443',
    serviceAddresses: ['fd00:96::1'],
  },
  {
    kind: 'dual stack, at port 443',
    changes: {
      endpoint: { address: ['10.77.0.100', 'fd77::100'], port: 443, interface: 'eth0' },
      controlPlane: { hosts: [{ name: 'cp1', address: ['10.77.0.11/24', 'fd77::11/64'] }] },
      kubernetes: { serviceSubnet: ['10.96.0.0/16', 'fd00:96::/112'], podSubnet: ['10.244.0.0/16', 'fd00:244::/56'] },
      apiserver: { port: 443 },
    },
    url: 'https://[fd77::11]:443',
    serviceAddresses: ['10.96.0.1'],
  },
];

describe.skipIf(problem !== undefined)(
  `other kinds of clusters${problem === undefined ? '' : `: skipped: ${problem}`}`,
  { timeout: START_MS },
  () => {
    test.each(KINDS)('$kind', async ({ changes, url, serviceAddresses }) => {
      await host.machine.output('systemctl', 'stop', ...DAEMONS.toReversed());
      await host.machine.output('sh', '-c', 'rm -rf /var/lib/etcd/* /etc/kubernetes');
      await host.install(changes);
      await startControlPlane(url);
      const services = await kubectlAt(url, 'get', 'service', 'kubernetes', '-o', 'jsonpath={.spec.clusterIPs[*]}');
      expect(services.split(' ')).toEqual(serviceAddresses);
      await until(
        () => kubectlAt(url, 'get', 'leases', '-n', 'kube-system', '-o', 'name'),
        (names) => names.includes('kube-controller-manager'),
        'it leads',
      );
      await kubectlAt(url, 'create', 'deployment', 'works', '--image=none');
      await until(
        () => kubectlAt(url, 'get', 'pods', '-o', 'name'),
        (pods) => pods.startsWith('pod/works-'),
        'the controllers make a Pod',
      );
      for (const name of DAEMONS) await untilActive(name);
    });
  },
);

interface AuditEvent {
  level: string;
  verb: string;
  requestURI: string;
  user: { username: string };
  objectRef?: { resource: string; name?: string };
  responseStatus?: { code: number };
}
