/** A control-plane host as it is rendered, under a real systemd: real etcd, kube-apiserver, kube-controller-manager, kube-scheduler and agent in their units. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { readCluster } from '../../src/core/cluster/read.ts';
import type { RenderedFile } from '../../src/core/render/file.ts';
import type { Service } from '../../src/core/render/service.ts';
import { renderSystemdHost } from '../../src/core/render/systemd/host.ts';
import { unitFile } from '../../src/core/render/systemd/unit.ts';
import { packageFolder } from '../../src/drivers/program.ts';
import { findProgram } from '../../src/lab/find-program.ts';
import { findKubernetesProgram, type KubernetesProgram } from '../../src/lab/kubernetes/programs.ts';
import { writeControlPlaneFiles } from '../support/control-plane-files.ts';
import { until } from '../support/hale.ts';
import type { Answer } from '../support/https-get.ts';
import { startSystemdMachine, type SystemdMachine, systemdProblem } from '../support/systemd-machine.ts';

const PROGRAMS = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubectl'] as const satisfies KubernetesProgram[];
const DAEMONS = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const;
const START_MS = 240_000;
const HALE = '/opt/hale';
const PKI = '/etc/kubernetes/pki';
const ADMIN = { cert: `${PKI}/apiserver-kubelet-client.crt`, key: `${PKI}/apiserver-kubelet-client.key` };
const API = 'https://10.66.0.11:6443';

const paths = new Map([...PROGRAMS.map((name) => [name, findKubernetesProgram(name)] as const), ['etcd', findProgram('etcd')] as const]);
const lacking = [...paths].find(([, path]) => path === undefined)?.[0];
const problem = systemdProblem();
const kubernetesProblem = problem ?? (lacking && `no ${lacking}: \`npm run kubernetes:get\`, apt-get install etcd-server`);

let machine: SystemdMachine;

beforeAll(async () => {
  if (problem !== undefined) return;
  const programs = [...paths].flatMap(([name, path]) => (path === undefined ? [] : [[path, `/usr/local/bin/${name}`]]));
  machine = await startSystemdMachine({ ...Object.fromEntries(programs), [packageFolder]: HALE });
  await machine.output('ip', 'address', 'add', '10.66.0.11/24', 'dev', 'eth0');
  await machine.output('ln', '-s', `${HALE}/hale`, '/usr/local/bin/hale');
}, 60_000);

afterAll(() => machine?.remove());

/** The machine as cp1 of a cluster; `changes` are those of cluster.yaml. */
async function install(changes: object = {}): Promise<void> {
  const etcd = paths.get('etcd');
  const version = etcd && /etcd Version: (\d+\.\d+)/.exec(execFileSync(etcd, ['--version'], { encoding: 'utf8' }))?.[1];
  const description = {
    apiVersion: 'hale.dev/v1alpha1',
    kind: 'Cluster',
    name: 'units',
    distribution: 'systemd',
    endpoint: { address: '10.66.0.100', interface: 'eth0' },
    controlPlane: { hosts: [{ name: 'cp1', address: '10.66.0.11/24' }] },
    etcd: { disk: 'slow', ...(version && { version }) },
    ...changes,
  };
  const text = stringify(description);
  const read = readCluster(text, 'cluster.yaml');
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  const host = read.cluster.controlPlane.hosts[0] as (typeof read.cluster.controlPlane.hosts)[number];
  const secrets = { encryptionKeys: [{ name: 'first', secret: Buffer.alloc(32, 7).toString('base64') }], etcdToken: 'units' };
  const { files } = renderSystemdHost(read.cluster, host, secrets);
  for (const file of files) put(file);
  put({ path: '/etc/hale/cluster.yaml', text, mode: 0o644 });
  put({ path: '/etc/hale/cluster.key', text: `${'5a'.repeat(32)}\n`, mode: 0o600 });
  await writeControlPlaneFiles(machine.root, { cluster: read.cluster, host });
  await machine.output('systemd-sysusers');
  await machine.output('systemd-tmpfiles', '--create', '/etc/tmpfiles.d/hale.conf');
  await machine.output('systemctl', 'daemon-reload');
}

function put({ path, text, mode }: RenderedFile): void {
  const target = join(machine.root, path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text, { mode });
}

async function get(urls: string[], files: { cert?: string; key?: string } = {}): Promise<Answer[]> {
  const wanted = JSON.stringify({ urls, ca: `${PKI}/ca.crt`, ...files });
  return JSON.parse(await machine.output(`${HALE}/node_modules/.bin/node`, `${HALE}/test/support/https-get.ts`, wanted)) as Answer[];
}

const kubectlAt = (url: string, ...words: string[]) =>
  machine.output('kubectl', '--kubeconfig=/etc/kubernetes/super-admin.conf', `--server=${url}`, ...words);
const kubectl = (...words: string[]) => kubectlAt(API, ...words);

async function startControlPlane(url: string): Promise<void> {
  const started = await machine.run(['systemctl', 'start', ...DAEMONS]);
  if (started.code !== 0) throw new Error(`${started.stderr}\n${await machine.output('journalctl', '--no-pager', '--lines=60')}`);
  await until(
    async () => (await get([`${url}/readyz`]))[0]?.status,
    (status) => status === 200,
    'the API server is ready',
  );
}

async function mainPid(name: string): Promise<number> {
  return Number(await machine.output('systemctl', 'show', '--value', '--property=MainPID', name));
}

const journal = (unit: string) => machine.output('journalctl', '--no-pager', '--output=cat', `--unit=${unit}`);

async function untilActive(name: string): Promise<void> {
  const look = async () => (await machine.run(['systemctl', 'is-active', name])).stdout.trim();
  await until(look, (state) => state === 'active', `${name} is active`).catch(async (error: Error) => {
    throw new Error(`${error.message}\n${await journal(name)}`, { cause: error });
  });
}

describe.skipIf(problem !== undefined)(`units${problem === undefined ? '' : `: skipped: ${problem}`}`, () => {
  beforeAll(() => install());

  test('systemd has no complaint about any of them', async () => {
    const units = [...DAEMONS, 'hale-agent'].filter((name) => name === 'hale-agent' || paths.get(name as 'etcd') !== undefined);
    const { code, stderr } = await machine.run([
      'systemd-analyze',
      'verify',
      ...units.map((name) => `/etc/systemd/system/${name}.service`),
    ]);
    expect([code, stderr]).toEqual([0, '']);
  });

  test.each([...DAEMONS, 'hale-agent'])('%s is exposed less than 3.0, as systemd counts', async (name) => {
    const path = `/etc/systemd/system/${name}.service`;
    const said = await machine.output('systemd-analyze', 'security', '--offline=yes', '--no-pager', path);
    const exposure = Number(/Overall exposure level for .*: ([\d.]+)/.exec(said)?.[1]);
    expect(exposure).toBeLessThan(3);
  });

  test('words reach a program as they are, whatever is in them', async () => {
    const words = [
      '--plain=a,b',
      '100%',
      '%n',
      '$HOME',
      '${HOME}',
      'two words',
      'a "quote"',
      "it's",
      'back\\slash',
      '*',
      ';',
      'tab\tand\nline',
      '',
    ];
    const dir = '/opt/a %n $HOME dir';
    put({ path: `${dir}/show`, text: '#!/bin/sh\nfor word; do printf "<%s>" "$word"; done >"/var/lib/show/said"\n', mode: 0o755 });
    const service: Service = { ...showService, arguments: words };
    const unit = unitFile(service, dir);
    const path = '/etc/systemd/system/show.service';
    put({ ...unit, path });
    expect((await machine.run(['systemd-analyze', 'verify', path])).stderr).toBe('');
    await machine.output('systemctl', 'daemon-reload');
    await machine.output('systemctl', 'start', 'show');
    const said = join(machine.root, 'var/lib/show/said');
    await until(
      () => (existsSync(said) ? readFileSync(said, 'utf8') : ''),
      (text) => text.length > 0,
      'it has run',
    ).finally(() => machine.run(['systemctl', 'stop', 'show']));
    expect(readFileSync(said, 'utf8')).toBe(words.map((word) => `<${word}>`).join(''));
  });
});

const showService: Service = {
  name: 'etcd',
  description: 'shows its arguments',
  after: [],
  unit: [],
  type: 'exec',
  user: 'root',
  program: 'show',
  arguments: [],
  writes: [],
  stopTimeoutSeconds: 5,
  capabilities: [],
  hardening: {},
  extra: ['StateDirectory=show'],
};

describe.skipIf(kubernetesProblem !== undefined)(`control plane${kubernetesProblem ? `: skipped: ${kubernetesProblem}` : ''}`, () => {
  beforeAll(async () => {
    await startControlPlane(API);
  }, START_MS);

  test("each daemon runs as a user of its own without rights, from a tree that is root's alone", async () => {
    for (const name of DAEMONS) {
      const pid = await mainPid(name);
      const status = await machine.output('cat', `/proc/${pid}/status`);
      expect(/^CapEff:\s*(\w+)$/m.exec(status)?.[1]).toBe('0'.repeat(16));
      expect((await machine.output('stat', '--format=%U', `/proc/${pid}`)).trim()).toBe(name);
    }
    expect((await machine.output('stat', '--format=%U %a', '/etc/kubernetes', `${PKI}/etcd/server.key`)).trim()).toBe('root 700\nroot 600');
  });

  test('no flag of theirs is on its way out', async () => {
    for (const name of DAEMONS) expect(await journal(name)).not.toMatch(/deprecated/i);
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
      expect(await machine.output(`${HALE}/node_modules/.bin/node`, '-e', ask)).toBe('200');
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
    const raw = (key: string) => machine.output('env', 'ETCDCTL_API=3', 'etcdctl', ...etcd, 'get', '--print-value-only', key);
    expect(await raw('/registry/secrets/default/hidden')).toMatch(/^k8s:enc:secretbox:v1:first:/);
    expect(await raw('/registry/configmaps/default/shown')).toContain('batterystaple');
    await get([`${API}/readyz`]);
    const log = readFileSync(join(machine.root, 'var/log/kubernetes/audit.log'), 'utf8');
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

  test('a daemon that dies is started again', async () => {
    const before = await mainPid('kube-scheduler');
    await machine.output('kill', '-9', `${before}`);
    await until(
      () => mainPid('kube-scheduler'),
      (pid) => pid !== before && pid > 0,
      'there is another',
    );
  });

  test('an API server that is stopped is unready at once, and serves on meanwhile', async () => {
    await machine.output('systemctl', 'stop', '--no-block', 'kube-apiserver');
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
    await machine.output('systemctl', 'start', 'kube-apiserver');
    await untilActive('kube-apiserver');
    expect(await kubectl('get', 'configmap', 'late', '-o', 'name')).toBe('configmap/late\n');
  }, 120_000);
});

const KINDS = [
  {
    kind: 'IPv6 only, on its own address alone',
    changes: {
      endpoint: { address: 'fd66::100', port: 8443, interface: 'eth0' },
      controlPlane: { hosts: [{ name: 'cp1', address: 'fd66::11/64' }] },
      kubernetes: { serviceSubnet: 'fd00:96::/112', podSubnet: 'fd00:244::/56' },
      apiserver: { bind: 'host' },
    },
    url: 'https://[fd66::11]:6443',
    serviceAddresses: ['fd00:96::1'],
  },
  {
    kind: 'dual stack, at port 443',
    changes: {
      endpoint: { address: ['10.66.0.100', 'fd66::100'], port: 443, interface: 'eth0' },
      controlPlane: { hosts: [{ name: 'cp1', address: ['10.66.0.11/24', 'fd66::11/64'] }] },
      kubernetes: { serviceSubnet: ['10.96.0.0/16', 'fd00:96::/112'], podSubnet: ['10.244.0.0/16', 'fd00:244::/56'] },
      apiserver: { port: 443 },
    },
    url: 'https://[fd66::11]:443',
    serviceAddresses: ['10.96.0.1'],
  },
];

describe.skipIf(kubernetesProblem !== undefined)(
  `other kinds of clusters${kubernetesProblem ? `: skipped: ${kubernetesProblem}` : ''}`,
  () => {
    test.each(KINDS)('$kind', { timeout: START_MS }, async ({ changes, url, serviceAddresses }) => {
      await machine.output('systemctl', 'stop', ...DAEMONS.toReversed());
      await machine.output('sh', '-c', 'rm -rf /var/lib/etcd/* /etc/kubernetes; ip address replace fd66::11/64 dev eth0 nodad');
      await install(changes);
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

describe.skipIf(problem !== undefined)(`agent${problem === undefined ? '' : `: skipped: ${problem}`}`, () => {
  beforeAll(async () => {
    await machine.output('systemctl', 'start', 'hale-agent');
    await untilStatus((status) => status?.guarded === true);
  }, 60_000);

  test('has all the rights that it needs', async () => {
    const status = await untilStatus((now) => now?.role === 'holder');
    expect(status).toMatchObject({ realtime: true, guarded: true });
    const said = await journal('hale-agent');
    expect(said.split('\n').filter((line) => /"level":"?(warn|error)/.test(line))).toEqual([]);
  });

  test('its guardian is given the time to act when the agent is killed', async () => {
    const before = await mainPid('hale-agent');
    const guardian = (await machine.output('sh', '-c', `cat /proc/${before}/task/*/children`)).trim().split(' ');
    // As slow as can be: systemd hears of the death first, and wakes it with its SIGTERM.
    await machine.output('kill', '-STOP', ...guardian);
    await machine.output('kill', '-9', `${before}`);
    await until(
      () => mainPid('hale-agent'),
      (pid) => pid !== before && pid > 0,
      'there is another agent',
    );
    expect(await journal('hale-agent')).toContain('the agent is dead: address withdrawn, lease given back');
    await untilStatus((status) => status?.guarded === true);
  });

  test('nothing of it is left when it is stopped, and its guardian had nothing to do', async () => {
    const since = (await journal('hale-agent')).length;
    await machine.output('systemctl', 'stop', 'hale-agent');
    expect((await machine.output('systemctl', 'show', '--value', '--property=Result', 'hale-agent')).trim()).toBe('success');
    const said = (await journal('hale-agent')).slice(since);
    expect(said).not.toContain('the agent is dead');
    expect(await machine.output('ip', 'address', 'show', 'dev', 'eth0')).not.toContain('10.66.0.100');
  });
});

async function untilStatus(wanted: (status: AgentStatus | undefined) => boolean): Promise<AgentStatus | undefined> {
  const look = async () => {
    const { code, stdout } = await machine.run(['hale', 'status', '--json']);
    return code === 0 || stdout.startsWith('{') ? (JSON.parse(stdout) as AgentStatus) : undefined;
  };
  return await until(look, wanted, 'the agent says so').catch(async (error: Error) => {
    throw new Error(`${error.message}\n${await journal('hale-agent')}`, { cause: error });
  });
}

interface AgentStatus {
  role: string;
  realtime: boolean;
  guarded: boolean;
}

interface AuditEvent {
  level: string;
  verb: string;
  requestURI: string;
  user: { username: string };
  objectRef?: { resource: string; name?: string };
  responseStatus?: { code: number };
}
