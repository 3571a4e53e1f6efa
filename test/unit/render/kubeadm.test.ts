import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { DUAL_STACK, EXTERNAL_ETCD, IPV6, renderAll, SECRETS, textOf } from '../../support/rendered.ts';

const FILE = '/etc/kubernetes/kubeadm.yaml';

// biome-ignore lint/suspicious/noExplicitAny: documents of other programs.
type Documents = Record<string, any>;

/** The documents of a host's kubeadm.yaml, by kind. */
function documents(host: string, keys: Record<string, unknown> = {}): Documents {
  const text = textOf(renderAll(keys), host, FILE);
  const list = parseAllDocuments(text).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as Documents;
  });
  return Object.fromEntries(list.map((document) => [document['kind'], document]));
}

/** `extraArgs` of either version by name. */
function args(list: { name: string; value: string }[]): Record<string, string> {
  return Object.fromEntries(list.map(({ name, value }) => [name, value]));
}

const version = (text: string) => ({ kubernetes: { version: text } });

describe('which documents a host has', () => {
  test('the first control-plane host starts the cluster, the others join it', () => {
    expect(Object.keys(documents('cp1'))).toEqual([
      'InitConfiguration',
      'ClusterConfiguration',
      'KubeletConfiguration',
      'KubeProxyConfiguration',
    ]);
    expect(Object.keys(documents('cp2'))).toEqual(['JoinConfiguration']);
    expect(Object.keys(documents('w1'))).toEqual(['JoinConfiguration']);
  });

  test('a worker joins without a control plane, and has none of its files', () => {
    expect(documents('w1').JoinConfiguration).not.toHaveProperty('controlPlane');
    expect(documents('w1').JoinConfiguration).not.toHaveProperty('patches');
    expect([...(renderAll().get('w1')?.keys() ?? [])].filter((path) => path.startsWith('/etc/kubernetes/'))).toEqual([FILE]);
  });

  test('balancers have nothing of Kubernetes', () => {
    const keys = {
      endpoint: { address: '10.0.0.100', provider: 'haproxy-keepalived', interface: 'eth0' },
      haproxyKeepalived: {
        placement: 'balancers',
        balancers: [
          { name: 'lb1', address: '10.0.0.41/24' },
          { name: 'lb2', address: '10.0.0.42/24' },
        ],
      },
    };
    expect([...(renderAll(keys).get('lb1')?.keys() ?? [])].filter((path) => path.startsWith('/etc/kubernetes'))).toEqual([]);
  });
});

describe('version of the format', () => {
  test.each([
    ['v1.22.17', 'v1beta3'],
    ['v1.30.14', 'v1beta3'],
    ['v1.31.0', 'v1beta4'],
    ['v1.36.4', 'v1beta4'],
  ])('%s takes %s', (release, api) => {
    for (const host of ['cp1', 'cp2', 'w1'])
      for (const { apiVersion } of Object.values(documents(host, version(release))).filter(({ kind }) => /Init|Cluster|Join/.test(kind)))
        expect(apiVersion).toBe(`kubeadm.k8s.io/${api}`);
  });

  test('v1beta3 has arguments as a mapping of text, v1beta4 as a list', () => {
    const old = documents('cp1', version('v1.30.14'));
    expect(old.InitConfiguration.nodeRegistration.kubeletExtraArgs).toMatchObject({ 'node-ip': '10.0.0.11' });
    expect(old.ClusterConfiguration.etcd.local.extraArgs).toMatchObject({ 'quota-backend-bytes': '8589934592' });
    expect(documents('cp1').ClusterConfiguration.etcd.local.extraArgs).toContainEqual({ name: 'quota-backend-bytes', value: '8589934592' });
  });

  test('without kube-proxy: v1beta4 says so for the cluster, v1beta3 skips the phase', () => {
    const none = { kubeProxy: 'none', cni: 'cilium' };
    const now = documents('cp1', { kubernetes: none });
    expect(now.ClusterConfiguration.proxy).toEqual({ disabled: true });
    expect(now.InitConfiguration).not.toHaveProperty('skipPhases');
    const old = documents('cp1', { kubernetes: { ...none, version: 'v1.30.14' } });
    expect(old.ClusterConfiguration).not.toHaveProperty('proxy');
    expect(old.InitConfiguration.skipPhases).toEqual(['addon/kube-proxy']);
    for (const found of [now, old]) expect(found).not.toHaveProperty('KubeProxyConfiguration');
  });

  test('flags follow the release', () => {
    const names = (release: string) => Object.keys(documents('cp1', version(release)).ClusterConfiguration.apiServer.extraArgs);
    expect(names('v1.26.0')).not.toContain('shutdown-watch-termination-grace-period');
    expect(names('v1.27.0')).toContain('shutdown-watch-termination-grace-period');
    expect(names('v1.30.14')).not.toContain('authentication-config');
    const volumes = (release: string) =>
      documents('cp1', version(release)).ClusterConfiguration.apiServer.extraVolumes.map(({ name }: { name: string }) => name);
    expect(volumes('v1.31.0')).toEqual(['encryption', 'audit-policy', 'audit-log']);
    expect(volumes('v1.32.0')).toContain('authentication');
  });

  test.each([
    ['v1.32.0', 'v1beta1'],
    ['v1.34.0', 'v1'],
  ])('%s reads an AuthenticationConfiguration %s', (release, api) => {
    expect(textOf(renderAll(version(release)), 'cp2', '/etc/kubernetes/authentication.yaml')).toContain(
      `apiVersion: apiserver.config.k8s.io/${api}\n`,
    );
  });
});

describe('addresses', () => {
  test('the endpoint is the name where there is one, which can move', () => {
    const keys = { endpoint: { address: '10.0.0.100', dnsName: 'api.example.com', port: 8443 } };
    expect(documents('cp1', keys).ClusterConfiguration.controlPlaneEndpoint).toBe('api.example.com:8443');
    expect(documents('w1', keys).JoinConfiguration.discovery.bootstrapToken.apiServerEndpoint).toBe('api.example.com:8443');
  });

  test('each host advertises its own address at the port of the API server', () => {
    const keys = { apiserver: { port: 7443 } };
    expect(documents('cp1', keys).InitConfiguration.localAPIEndpoint).toEqual({ advertiseAddress: '10.0.0.11', bindPort: 7443 });
    const third = documents('cp3', keys).JoinConfiguration.controlPlane.localAPIEndpoint;
    expect(third).toEqual({ advertiseAddress: '10.0.0.13', bindPort: 7443 });
  });

  test('an IPv6 endpoint is in brackets', () => {
    expect(documents('cp1', IPV6).ClusterConfiguration.controlPlaneEndpoint).toBe('[fd00::100]:6443');
    expect(documents('w1', IPV6).JoinConfiguration.discovery.bootstrapToken.apiServerEndpoint).toBe('[fd00::100]:6443');
    expect(documents('cp2', IPV6).JoinConfiguration.controlPlane.localAPIEndpoint.advertiseAddress).toBe('fd00::12');
  });

  test('dual stack: subnets and node addresses of both families', () => {
    const { ClusterConfiguration, InitConfiguration } = documents('cp1', DUAL_STACK);
    expect(ClusterConfiguration.networking).toEqual({
      serviceSubnet: '10.96.0.0/16,fd00:96::/112',
      podSubnet: '10.244.0.0/16,fd00:244::/56',
      dnsDomain: 'cluster.local',
    });
    expect(args(InitConfiguration.nodeRegistration.kubeletExtraArgs)['node-ip']).toBe('10.0.0.11,fd00::11');
  });

  test('certificates name the endpoint, all hosts and the host itself, nothing twice', () => {
    const keys = { ...DUAL_STACK, endpoint: { address: ['10.0.0.100', 'fd00::100'], dnsName: 'api.example.com' } };
    const names = documents('cp1', keys).ClusterConfiguration.apiServer.certSANs as string[];
    expect(names).toEqual([...new Set(names)]);
    expect(names).toEqual(
      expect.arrayContaining([
        '10.0.0.100',
        'fd00::100',
        'api.example.com',
        'cp3',
        '10.0.0.13',
        'fd00::13',
        'localhost',
        '127.0.0.1',
        '::1',
      ]),
    );
    expect(names).not.toContain('w1');
  });
});

describe('etcd', () => {
  test('stacked: tuned as etcd.latency and etcd.disk say', () => {
    const keys = { etcd: { latency: 'region', disk: 'slow', dataDir: '/data/etcd' } };
    const { local } = documents('cp1', keys).ClusterConfiguration.etcd;
    expect(local.dataDir).toBe('/data/etcd');
    expect(args(local.extraArgs)).toEqual({
      'heartbeat-interval': '250',
      'election-timeout': '5000',
      'quota-backend-bytes': '8589934592',
      'listen-metrics-urls': 'http://127.0.0.1:2381',
    });
  });

  test('external: its endpoints, its authority, and the client certificate of the API servers', () => {
    expect(documents('cp1', EXTERNAL_ETCD).ClusterConfiguration.etcd).toEqual({
      external: {
        endpoints: EXTERNAL_ETCD.etcd.endpoints,
        caFile: '/etc/kubernetes/pki/etcd/ca.crt',
        certFile: '/etc/kubernetes/pki/apiserver-etcd-client.crt',
        keyFile: '/etc/kubernetes/pki/apiserver-etcd-client.key',
      },
    });
  });
});

describe('API server', () => {
  test('drains before it leaves, and its Pod is given that long', () => {
    const found = args(documents('cp1').ClusterConfiguration.apiServer.extraArgs);
    expect(found).toMatchObject({ 'shutdown-delay-duration': '15s', 'shutdown-watch-termination-grace-period': '10s' });
    const patch = parseAllDocuments(textOf(renderAll(), 'cp2', '/etc/kubernetes/patches/kube-apiserver0+strategic.yaml'));
    expect(patch.map((document) => document.toJS())).toEqual([{ spec: { terminationGracePeriodSeconds: 60 } }]);
    expect(documents('cp2').JoinConfiguration.patches).toEqual({ directory: '/etc/kubernetes/patches' });
  });

  test('clients are spread only where there is another API server', () => {
    expect(args(documents('cp1').ClusterConfiguration.apiServer.extraArgs)).toHaveProperty('goaway-chance', '0.001');
    const alone = { controlPlane: { hosts: [{ name: 'cp1', address: '10.0.0.11/24' }] } };
    expect(args(documents('cp1', alone).ClusterConfiguration.apiServer.extraArgs)).not.toHaveProperty('goaway-chance');
  });

  test('every file that its flags name is mounted, read-only but for the log, and is rendered', () => {
    const { extraArgs, extraVolumes } = documents('cp1').ClusterConfiguration.apiServer;
    const files = renderAll().get('cp1');
    const mounted = new Map<string, { readOnly: boolean; pathType: string }>(
      extraVolumes.map((volume: { mountPath: string; readOnly: boolean; pathType: string }) => [volume.mountPath, volume]),
    );
    for (const path of Object.values(args(extraArgs)).filter((value) => value.startsWith('/etc/'))) {
      expect(mounted.get(path)).toMatchObject({ hostPath: path, readOnly: true, pathType: 'File' });
      expect(files?.has(path)).toBe(true);
    }
    expect(mounted.get('/var/log/kubernetes')).toMatchObject({ pathType: 'DirectoryOrCreate' });
    expect(mounted.get('/var/log/kubernetes')).not.toHaveProperty('readOnly');
    expect(mounted.size).toBe(4);
  });

  test("apiserver.bind host: a patch gives each host its own address, since kubeadm's flags are for all", () => {
    const keys = { apiserver: { bind: 'host' }, datapath: 'proxy' };
    const path = '/etc/kubernetes/patches/kube-apiserver1+json.yaml';
    expect(textOf(renderAll(keys), 'cp3', path)).toContain('--bind-address=10.0.0.13');
    expect(renderAll().get('cp3')?.has(path)).toBe(false);
  });
});

describe('kube-proxy and kubelet', () => {
  test.each(['iptables', 'nftables'])('%s', (mode) => {
    const found = documents('cp1', { kubernetes: { kubeProxy: mode } }).KubeProxyConfiguration;
    expect(found).toEqual({ apiVersion: 'kubeproxy.config.k8s.io/v1alpha1', kind: 'KubeProxyConfiguration', mode });
  });

  test.each([
    ['hale, steering packets', {}, { strictARP: true }],
    ['hale by IPVS', { datapath: 'ipvs' }, { strictARP: true, excludeCIDRs: ['10.0.0.100/32'] }],
    ['kube-vip', { endpoint: { address: '10.0.0.100', provider: 'kube-vip' } }, { strictARP: true, excludeCIDRs: ['10.0.0.100/32'] }],
    [
      'lvscare',
      { endpoint: { address: '10.103.97.2', dnsName: 'api.example.com', provider: 'node-local' }, nodeLocal: { balancer: 'lvscare' } },
      { strictARP: false, excludeCIDRs: ['10.103.97.2/32'] },
    ],
    ['nothing of ours', { endpoint: { address: '192.0.2.1', provider: 'external' } }, { strictARP: false }],
  ])('ipvs beside %s', (_beside, keys, expected) => {
    expect(documents('cp1', { ...keys, kubernetes: { kubeProxy: 'ipvs' } }).KubeProxyConfiguration.ipvs).toEqual(expected);
  });

  test('an IPv6 address is excluded as a prefix of 128', () => {
    const keys = { ...IPV6, datapath: 'ipvs', kubernetes: { ...IPV6.kubernetes, kubeProxy: 'ipvs' } };
    expect(documents('cp1', keys).KubeProxyConfiguration.ipvs.excludeCIDRs).toEqual(['fd00::100/128']);
  });

  test('the zone becomes a label of the node, and a host without one gets none', () => {
    expect(args(documents('w2').JoinConfiguration.nodeRegistration.kubeletExtraArgs)['node-labels']).toBe('topology.kubernetes.io/zone=b');
    const keys = { workers: { hosts: [{ name: 'w1', address: '10.0.0.21/24' }] } };
    expect(args(documents('w1', keys).JoinConfiguration.nodeRegistration.kubeletExtraArgs)).toEqual({ 'node-ip': '10.0.0.21' });
  });

  test('cgroup driver and socket of the container runtime', () => {
    const keys = { kubernetes: { cgroupDriver: 'cgroupfs', criSocket: 'unix:///run/crio/crio.sock' } };
    expect(documents('cp1', keys).KubeletConfiguration.cgroupDriver).toBe('cgroupfs');
    expect(documents('w1', keys).JoinConfiguration.nodeRegistration.criSocket).toBe('unix:///run/crio/crio.sock');
  });
});

describe('joining', () => {
  test('the authority is not known before init: kubeadm has something to refuse, and the steps say how to fill it in', () => {
    const { bootstrapToken } = documents('cp2').JoinConfiguration.discovery;
    expect(bootstrapToken).not.toHaveProperty('unsafeSkipCAVerification');
    const [hash] = bootstrapToken.caCertHashes as string[];
    expect(hash).toBe('sha256:FILL_IN_AFTER_KUBEADM_INIT');
    expect(textOf(renderAll(), '_cluster', 'STEPS.md')).toContain(`sed -i s/${hash?.slice('sha256:'.length)}/$HASH/ ${FILE}`);
  });

  test('a token of one day', () => {
    expect(documents('cp1').InitConfiguration.bootstrapTokens).toMatchObject([{ token: SECRETS.bootstrapToken, ttl: '24h0m0s' }]);
  });

  test.each([
    ['kube-vip', ['cp2'], ['w1']],
    ['hale', [], ['cp2', 'w1']],
  ])('with %s the folder of static Pods may be full on %j', (provider, full, empty) => {
    const keys = { endpoint: { address: '10.0.0.100', provider } };
    const ignored = (host: string) => documents(host, keys).JoinConfiguration.nodeRegistration.ignorePreflightErrors;
    for (const host of full) expect(ignored(host)).toEqual(['DirAvailable--etc-kubernetes-manifests']);
    for (const host of empty) expect(ignored(host)).toBeUndefined();
  });
});

describe('steps', () => {
  const steps = (keys: Record<string, unknown> = {}) => textOf(renderAll(keys), '_cluster', 'STEPS.md');

  test('in order: address, init, hash, join, workers, super-admin', () => {
    const text = steps();
    const places = ['nc -vz', 'kubeadm init --config', 'HASH=', 'cp2, then cp3', '- **w1, w2**', 'super-admin.conf'].map((word) =>
      text.indexOf(word),
    );
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  });

  test('the address is tried before init only where it can answer by then', () => {
    expect(steps({ endpoint: { address: '10.0.0.100', provider: 'kube-vip' } })).not.toContain('nc -vz');
  });

  test('one host has nobody to join', () => {
    const alone = { controlPlane: { hosts: [{ name: 'cp1', address: '10.0.0.11/24' }] }, workers: { hosts: [] } };
    expect(steps(alone)).not.toContain('kubeadm join');
  });
});

describe('files', () => {
  const variants = [{}, DUAL_STACK, EXTERNAL_ETCD, version('v1.30.14')];

  test('no secret is in a file that others may read', () => {
    const secrets = [SECRETS.certificateKey, SECRETS.bootstrapToken, ...SECRETS.encryptionKeys.map(({ secret }) => secret)];
    let holding = 0;
    for (const keys of variants)
      for (const files of renderAll(keys).values())
        for (const { text, mode, path } of files.values()) {
          if (!secrets.some((secret) => text.includes(secret))) continue;
          holding++;
          expect([path, mode.toString(8)]).toEqual([path, '600']);
        }
    expect(holding).toBeGreaterThan(0);
  });

  test('the same bytes in every run', () => {
    for (const keys of variants) expect(renderAll(keys)).toEqual(renderAll(keys));
  });

  test('each says that hale made it', () => {
    for (const [host, files] of renderAll())
      for (const { path, text } of files.values())
        if (path.startsWith('/etc/kubernetes/'))
          expect([host, path, text.split('\n')[0]]).toEqual([host, path, '# Made by hale from cluster.yaml.']);
  });
});
