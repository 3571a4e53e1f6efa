import { X509Certificate } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawn, spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { text as collect } from 'node:stream/consumers';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { findKubernetesProgram, KUBERNETES_VERSION, type KubernetesProgram } from '../../src/lab/kubernetes/programs.ts';
import { type ClusterInfoServer, startClusterInfoServer } from '../support/cluster-info.ts';
import { DUAL_STACK, EXTERNAL_ETCD, IPV6, renderAll, SECRETS, textOf } from '../support/rendered.ts';
import { CAN_BE_NOBODY, IS_MACHINE_ROOT } from '../support/user.ts';

const FILE = '/etc/kubernetes/kubeadm.yaml';
const [kubeadm, apiserver, controllerManager, scheduler, kubelet] = (
  ['kubeadm', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet'] as const
).map(findKubernetesProgram);
const missing = [kubeadm, apiserver, controllerManager, scheduler, kubelet].includes(undefined);
const title = `kubeadm reads what hale writes${missing ? ': skipped: no kubeadm and others: `npm run kubernetes:get` gets them' : ''}`;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hale-kubeadm-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function run(program: string | undefined, ...words: string[]): { status: number | null; output: string } {
  // Otherwise it would make a folder in /etc/kubernetes.
  const env = { ...process.env, KUBEADM_INIT_DRYRUN_DIR: dir };
  const { status, stdout, stderr } = spawnSync(program as string, words, { encoding: 'utf8', env });
  return { status, output: stdout + stderr };
}

/** Writes the text into the test's folder, and returns where. */
function put(name: string, text: string): string {
  const path = join(dir, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const OLD = { version: 'v1.30.14' };
const asItsOwn = (text: string) => text.replace(/^kubernetesVersion: .*$/m, `kubernetesVersion: ${KUBERNETES_VERSION}`);
const CLUSTERS: Record<string, Record<string, unknown>> = {
  'one family': {},
  'both families': DUAL_STACK,
  'IPv6 alone': IPV6,
  'external etcd': EXTERNAL_ETCD,
  'a name, other ports': { endpoint: { address: '10.0.0.100', dnsName: 'api.example.com', port: 8443 }, apiserver: { port: 7443 } },
  'kube-proxy by IPVS': { endpoint: { address: '10.0.0.100', provider: 'kube-vip' }, kubernetes: { kubeProxy: 'ipvs' } },
  'no kube-proxy': { kubernetes: { kubeProxy: 'none', cni: 'cilium' } },
  'slow and far': { etcd: { latency: 'region', disk: 'slow' } },
};

/** The same of a release whose format is v1beta3; kubeadm reads the format, but would not set that release up. */
function older(keys: Record<string, unknown>): Record<string, unknown> {
  return { ...keys, kubernetes: { ...(keys['kubernetes'] as object | undefined), ...OLD } };
}

describe.skipIf(missing)(title, () => {
  describe.each(Object.entries(CLUSTERS))('%s', (_name, keys) => {
    test.each([
      ['v1beta4', keys],
      ['v1beta3', older(keys)],
    ])('%s is valid on every host', (api, described) => {
      for (const host of ['cp1', 'cp2', 'w1']) {
        const text = asItsOwn(textOf(renderAll(described), host, FILE));
        expect(text).toContain(`kubeadm.k8s.io/${api}`);
        const { status, output } = run(kubeadm, 'config', 'validate', '--allow-deprecated-api', '--config', put(`${host}.yaml`, text));
        expect([host, status, output]).toEqual([host, 0, expect.stringMatching(api === 'v1beta4' ? /^ok\n$/ : /\bok\n$/)]);
      }
    });
  });

  test('kube-proxy by nftables, which the releases of v1beta3 do not have', () => {
    const file = put('cp1.yaml', textOf(renderAll({ kubernetes: { kubeProxy: 'nftables' } }), 'cp1', FILE));
    expect(run(kubeadm, 'config', 'validate', '--config', file)).toEqual({ status: 0, output: 'ok\n' });
  });

  test('a key too many is refused, so the above means something', () => {
    const text = textOf(renderAll(), 'cp1', FILE).replace('\nkind: KubeletConfiguration', '$&\nshutdownPeriod: 1s');
    expect(run(kubeadm, 'config', 'validate', '--config', put('wrong.yaml', text))).toEqual({
      status: 1,
      output: expect.stringContaining('unknown field "shutdownPeriod"'),
    });
  });

  test('v1beta3 becomes, by kubeadm itself, what hale writes in v1beta4', () => {
    const migrated = join(dir, 'new.yaml');
    const old = put('old.yaml', asItsOwn(textOf(renderAll(older({})), 'cp1', FILE)));
    expect(run(kubeadm, 'config', 'migrate', '--old-config', old, '--new-config', migrated)).toMatchObject({ status: 0 });
    const [theirs, ours] = [readFileSync(migrated, 'utf8'), textOf(renderAll({ kubernetes: { version: 'v1.31.0' } }), 'cp1', FILE)].map(
      (text) => parseAllDocuments(text).map((document) => document.toJS()),
    );
    const cluster = (documents: Record<string, unknown>[] | undefined) => documents?.find(({ kind }) => kind === 'ClusterConfiguration');
    const sorted = (list: { name: string }[]) => list.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const { apiServer, etcd } = cluster(ours) as {
      apiServer: Record<string, { name: string }[]>;
      etcd: { local: Record<string, { name: string }[]> };
    };
    expect(cluster(theirs)).toMatchObject({
      apiServer: { ...apiServer, extraArgs: sorted(apiServer['extraArgs'] ?? []) },
      etcd: { local: { ...etcd.local, extraArgs: sorted(etcd.local['extraArgs'] ?? []) } },
    });
  });
});

describe.skipIf(missing)('who joins', () => {
  let server: ClusterInfoServer;
  beforeEach(async () => {
    server = await startClusterInfoServer(SECRETS.bootstrapToken);
  });
  afterEach(() => server.close());

  /** Up to the first thing that kubeadm asks of a cluster that it trusts. */
  async function joinWith(change: (text: string) => string): Promise<string> {
    const text = textOf(renderAll(), 'w1', FILE).replace('10.0.0.100:6443', server.address);
    const config = put('join.yaml', change(`${text}timeouts:\n  discovery: 5s\n  kubernetesAPICall: 5s\n`));
    const words = ['join', 'phase', 'preflight', '--ignore-preflight-errors=all', '--config', config];
    const process = spawn(kubeadm as string, words, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 });
    const output = await Promise.all([collect(process.stdout), collect(process.stderr)]);
    return output.join('');
  }

  test('is refused while the hash of the authority is not filled in, and then with a wrong one', async () => {
    expect(await joinWith((text) => text)).toMatch(/invalid .*FILL_IN_AFTER_KUBEADM_INIT/s);
    expect(await joinWith((text) => text.replace('FILL_IN_AFTER_KUBEADM_INIT', '0'.repeat(64)))).toContain('pinned');
    expect(server.asked.filter((path) => !path.endsWith('/cluster-info'))).toEqual([]);
  });

  test('goes on with the hash that the command of STEPS.md computes', async () => {
    const authority = put('ca.crt', server.caPem);
    const command = /ssh root@cp1 '([^']+)'\)/
      .exec(textOf(renderAll(), '_cluster', 'STEPS.md'))?.[1]
      ?.replace('/etc/kubernetes/pki/ca.crt', authority);
    const { stdout: hash } = spawnSync('sh', ['-c', command as string], { encoding: 'utf8' });
    expect(hash).toMatch(/^[0-9a-f]{64}\n$/);
    expect(await joinWith((text) => text.replace('FILL_IN_AFTER_KUBEADM_INIT', hash.trim()))).not.toContain('pinned');
    expect(server.asked.some((path) => path.endsWith('/kube-system/configmaps/kubeadm-config'))).toBe(true);
  });
});

/** The Pods that kubeadm would start on the first host, by its own dry run. */
function staticPods(keys: Record<string, unknown>): Record<string, Pod> {
  const files = renderAll(keys).get('cp1');
  for (const { path, text } of files?.values() ?? []) put(`tree${path}`, text);
  const config = textOf(renderAll(keys), 'cp1', FILE).replace('/etc/kubernetes/patches', join(dir, 'tree/etc/kubernetes/patches'));
  const file = put('config.yaml', config);
  for (const phase of [
    ['control-plane', 'all'],
    ['etcd', 'local'],
  ])
    expect(run(kubeadm, 'init', 'phase', ...phase, '--dry-run', '--config', file)).toMatchObject({ status: 0 });
  const names = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'etcd'];
  return Object.fromEntries(names.map((name) => [name, parse(readFileSync(join(dir, `${name}.yaml`), 'utf8')) as Pod]));
}

interface Pod {
  spec: { terminationGracePeriodSeconds?: number; containers: [{ command: string[]; volumeMounts: { mountPath: string }[] }] };
}

const commandOf = (pod: Pod | undefined): string[] => pod?.spec.containers[0].command ?? [];

describe.skipIf(missing)('the Pods that follow', () => {
  const programs: Partial<Record<KubernetesProgram, string | undefined>> = {
    'kube-apiserver': apiserver,
    'kube-controller-manager': controllerManager,
    'kube-scheduler': scheduler,
  };

  test.each([
    ['one family', {}],
    ['both families', DUAL_STACK],
  ])('%s: every flag is one that the program knows', (_name, keys) => {
    const pods = staticPods(keys);
    for (const [name, program] of Object.entries(programs)) {
      const [, ...flags] = commandOf(pods[name]);
      expect(flags.length).toBeGreaterThan(5);
      expect(run(program, ...flags, '--version')).toEqual({ status: 0, output: expect.stringMatching(/^Kubernetes v1\.\d+/) });
    }
  });

  test('the API server has time to drain, its files, and on apiserver.bind host its own address alone', () => {
    const { 'kube-apiserver': pod } = staticPods({ apiserver: { bind: 'host' }, datapath: 'proxy' });
    expect(pod?.spec.terminationGracePeriodSeconds).toBe(60);
    const flags = commandOf(pod);
    expect(flags).toContain('--bind-address=10.0.0.11');
    const mounted = pod?.spec.containers[0].volumeMounts.map(({ mountPath }) => mountPath);
    expect(mounted).toEqual(
      expect.arrayContaining(['/etc/kubernetes/authentication.yaml', '/etc/kubernetes/encryption.yaml', '/var/log/kubernetes']),
    );
  });

  test('etcd is tuned by hale, and looks for corruption at its start by kubeadm', () => {
    const flags = commandOf(staticPods({ etcd: { latency: 'region' } })['etcd']);
    expect(flags).toEqual(
      expect.arrayContaining([
        '--election-timeout=2500',
        '--quota-backend-bytes=8589934592',
        '--feature-gates=InitialCorruptCheck=true',
        '--listen-metrics-urls=http://127.0.0.1:2381',
      ]),
    );
    const names = flags.map((flag) => flag.split('=')[0]);
    expect(names).toEqual([...new Set(names)]);
  });

  test('the certificate names every address and name of the cluster', () => {
    const keys = { ...DUAL_STACK, endpoint: { address: ['10.0.0.100', 'fd00::100'], dnsName: 'api.example.com' } };
    const text = textOf(renderAll(keys), 'cp1', FILE).replace('\nkind: ClusterConfiguration', `$&\ncertificatesDir: ${dir}/pki`);
    const file = put('config.yaml', text);
    for (const phase of ['ca', 'apiserver'])
      expect(run(kubeadm, 'init', 'phase', 'certs', phase, '--config', file)).toMatchObject({ status: 0 });
    const { checkHost, checkIP } = X509Certificate.prototype;
    const certificate = new X509Certificate(readFileSync(join(dir, 'pki/apiserver.crt')));
    for (const name of ['api.example.com', 'cp1', 'cp3', 'localhost', 'kubernetes.default.svc.cluster.local'])
      expect([name, checkHost.call(certificate, name)]).toEqual([name, name]);
    for (const address of ['10.0.0.100', 'fd00::100', '10.0.0.13', 'fd00::13', '127.0.0.1', '10.96.0.1'])
      expect([address, checkIP.call(certificate, address)]).toEqual([address, address]);
  });
});

/** kubelet validates its configuration first, and then wants to be root, which it is not given. */
function kubeletSays(text: string): string {
  const config = put('kubelet.yaml', text);
  const program = openSync(kubelet as string, 'r');
  try {
    const unprivileged = IS_MACHINE_ROOT ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : ['env'];
    const [command, ...words] = [...unprivileged, '/proc/self/fd/3', `--config=/proc/self/fd/4`, `--root-dir=${dir}/kubelet`];
    const file = openSync(config, 'r');
    const stdio = ['ignore', 'pipe', 'pipe', program, file] as const;
    const { stdout, stderr } = spawnSync(command as string, words, { encoding: 'utf8', stdio: [...stdio], timeout: 20_000 });
    closeSync(file);
    return stdout + stderr;
  } finally {
    closeSync(program);
  }
}

describe.skipIf(missing || !CAN_BE_NOBODY)('kubelet itself', () => {
  const configuration = () =>
    textOf(renderAll(), 'cp1', FILE)
      .split('---\n')
      .find((document) => document.includes('kind: KubeletConfiguration')) as string;

  test('finds nothing wrong with its document but this machine', () => {
    const said = kubeletSays(configuration());
    expect(said).not.toContain('strict decoding');
    expect(said).not.toContain('invalid configuration');
    expect(said).toMatch(/cgroup v1|uid 0|root/);
  });

  test('would say so otherwise', () => {
    expect(kubeletSays(configuration().replace('CriticalPods: 60s', 'CriticalPods: 600s'))).toContain('invalid configuration');
  });
});
