import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { readCluster } from '../../../src/core/cluster/read.ts';
import type { Service } from '../../../src/core/render/service.ts';
import { renderSystemdHost, type SystemdHost } from '../../../src/core/render/systemd/host.ts';
import { unitFile } from '../../../src/core/render/systemd/unit.ts';

const hosts = (addresses: (string | string[])[]) => addresses.map((address, i) => ({ name: `cp${i + 1}`, address }));
const THREE = hosts(['10.0.0.11/24', '10.0.0.12/24', '10.0.0.13/24']);
const secrets = {
  encryptionKeys: [
    { name: 'k2', secret: 'bmV3' },
    { name: 'k1', secret: 'b2xk' },
  ],
  etcdToken: 'token',
};

/** The first host of a cluster; `keys` are those of cluster.yaml. */
function render(keys: Record<string, unknown> = {}): SystemdHost {
  const description = {
    apiVersion: 'hale.dev/v1alpha1',
    kind: 'Cluster',
    name: 'prod',
    distribution: 'systemd',
    endpoint: { address: '10.0.0.100' },
    controlPlane: { hosts: THREE },
    ...keys,
  };
  const read = readCluster(stringify(description), 'cluster.yaml');
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  return renderSystemdHost(read.cluster, read.cluster.controlPlane.hosts[0] as (typeof read.cluster.controlPlane.hosts)[number], secrets);
}

function service(host: SystemdHost, name: Service['name']): Service {
  return host.services.find((candidate) => candidate.name === name) as Service;
}

/** Values of the flags that begin so. */
function flags(host: SystemdHost, name: Service['name']): Record<string, string> {
  return Object.fromEntries(service(host, name).arguments.map((word) => word.slice(2).split(/=(.*)/s, 2) as [string, string]));
}

function file(host: SystemdHost, path: string): string {
  return host.files.find((candidate) => candidate.path === path)?.text as string;
}

/** The words of a unit's command, as they are written. */
function commandOf(unit: string): string[] {
  const rest = unit.slice(unit.indexOf('ExecStart=') + 'ExecStart='.length);
  return (rest.split(/(?<!\\)\n/)[0] as string).split(' \\\n  ');
}

describe('etcd', () => {
  test.each([
    ['rack', 'ssd', '100', '1000'],
    ['zone', 'ssd', '100', '1000'],
    ['region', 'ssd', '250', '2500'],
    ['rack', 'slow', '100', '5000'],
    ['region', 'slow', '250', '5000'],
  ])('members in the same %s with disks that are %s: heartbeat %s ms, election after %s ms', (latency, disk, heartbeat, election) => {
    const { 'heartbeat-interval': interval, 'election-timeout': timeout } = flags(render({ etcd: { latency, disk } }), 'etcd');
    expect([interval, timeout]).toEqual([heartbeat, election]);
    // etcd refuses less than five heartbeats, and more than 50 s.
    expect(Number(timeout)).toBeGreaterThanOrEqual(5 * Number(interval));
    expect(Number(timeout)).toBeLessThan(50_000);
  });

  test.each([
    ['3.4', ['--logger=zap', '--pre-vote=true', '--experimental-initial-corrupt-check=true']],
    ['3.5', ['--experimental-initial-corrupt-check=true']],
    ['3.6', ['--feature-gates=InitialCorruptCheck=true']],
    ['3.7', ['--feature-gates=InitialCorruptCheck=true']],
  ])('%s checks its data before it serves, by the name that release has for it', (version, words) => {
    const { arguments: all } = service(render({ etcd: { version } }), 'etcd');
    const wanted = /^--(?:logger|pre-vote|experimental-|feature-gates)/;
    expect(all.filter((word) => wanted.test(word))).toEqual(words);
  });

  test('listens on loopback for its API server, on its addresses for others, and knows all members', () => {
    const found = flags(render({ etcd: { clientPort: 12379, dataDir: '/data/etcd' } }), 'etcd');
    expect(found).toMatchObject({
      'listen-client-urls': 'https://127.0.0.1:12379,https://10.0.0.11:12379',
      'advertise-client-urls': 'https://10.0.0.11:12379',
      'initial-cluster': 'cp1=https://10.0.0.11:2380,cp2=https://10.0.0.12:2380,cp3=https://10.0.0.13:2380',
      'initial-cluster-token': 'token',
      'data-dir': '/data/etcd',
      'client-cert-auth': 'true',
      'peer-client-cert-auth': 'true',
    });
  });

  test('may write to its data alone, and not before their disk is mounted', () => {
    const host = render({ etcd: { dataDir: '/data/my etcd' } });
    const unit = file(host, '/etc/systemd/system/etcd.service');
    expect(unit).toContain('\nReadWritePaths="/data/my etcd"\n');
    expect(unit).toContain('\nRequiresMountsFor="/data/my etcd"\n');
    expect(file(host, '/etc/tmpfiles.d/hale.conf')).toContain('\nd "/data/my etcd" 0700 etcd etcd\n');
  });

  test('that is external has no unit here, and is asked at all its endpoints', () => {
    const endpoints = ['https://e1.example.com:2379', 'https://e2.example.com:2379'];
    const host = render({ etcd: { topology: 'external', endpoints, caFile: '/etc/kubernetes/pki/etcd-ca.crt' } });
    expect(host.services.map(({ name }) => name)).toEqual(['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'hale-agent']);
    expect(flags(host, 'kube-apiserver')).toMatchObject({
      'etcd-servers': endpoints.join(','),
      'etcd-cafile': '/etc/kubernetes/pki/etcd-ca.crt',
    });
    expect(file(host, '/etc/systemd/system/kube-apiserver.service')).not.toContain('etcd.service');
    expect(file(host, '/etc/sysusers.d/hale.conf')).not.toContain('u etcd');
  });
});

describe('kube-apiserver', () => {
  test('asks the etcd of its own host, so that it is unready without it', () => {
    expect(flags(render(), 'kube-apiserver')['etcd-servers']).toBe('https://127.0.0.1:2379');
  });

  test('sends clients elsewhere now and then, where there is an elsewhere', () => {
    expect(flags(render(), 'kube-apiserver')['goaway-chance']).toBe('0.001');
    expect(flags(render({ controlPlane: { hosts: THREE.slice(0, 1) } }), 'kube-apiserver')).not.toHaveProperty('goaway-chance');
  });

  test.each([
    ['all', '10.0.0.100', THREE, '0.0.0.0'],
    ['host', '10.0.0.100', THREE, '10.0.0.11'],
    ['all', 'fd00::100', hosts(['fd00::11/64']), '::'],
    ['host', 'fd00::100', hosts(['fd00::11/64']), 'fd00::11'],
    ['all', ['10.0.0.100', 'fd00::100'], hosts([['10.0.0.11/24', 'fd00::11/64']]), '::'],
  ])('bind: %s with the address %s', (bind, address, members, wanted) => {
    const port = bind === 'host' ? 8443 : 6443;
    const kubernetes = address === 'fd00::100' ? { serviceSubnet: 'fd00:96::/112', podSubnet: 'fd00:244::/56' } : {};
    const host = render({ endpoint: { address, port }, controlPlane: { hosts: members }, apiserver: { bind }, kubernetes });
    expect(flags(host, 'kube-apiserver')['bind-address']).toBe(wanted);
  });

  test('dual stack: subnets of both families, the address of the first', () => {
    const host = render({
      endpoint: { address: ['10.0.0.100', 'fd00::100'] },
      controlPlane: { hosts: hosts([['10.0.0.11/24', 'fd00::11/64']]) },
      kubernetes: { serviceSubnet: ['10.96.0.0/16', 'fd00:96::/112'], podSubnet: ['10.244.0.0/16', 'fd00:244::/56'] },
    });
    expect(flags(host, 'kube-apiserver')).toMatchObject({
      'advertise-address': '10.0.0.11',
      'service-cluster-ip-range': '10.96.0.0/16,fd00:96::/112',
    });
    expect(flags(host, 'kube-controller-manager')['cluster-cidr']).toBe('10.244.0.0/16,fd00:244::/56');
    expect(flags(host, 'etcd')['listen-client-urls']).toBe('https://127.0.0.1:2379,https://10.0.0.11:2379,https://[fd00::11]:2379');
  });

  test('below port 1024 it has the right to listen there, and no other', () => {
    const unit = (port: number) =>
      file(render({ endpoint: { address: '10.0.0.100', port }, apiserver: { port } }), '/etc/systemd/system/kube-apiserver.service');
    expect(unit(443)).toContain('\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n');
    expect(unit(6443)).toContain('\nCapabilityBoundingSet=\n');
    expect(unit(6443)).not.toContain('AmbientCapabilities');
  });

  test('has time to drain before it is killed', () => {
    const host = render();
    const seconds = (flag: string) => Number.parseInt(flags(host, 'kube-apiserver')[flag] as string, 10);
    const drain = seconds('shutdown-delay-duration') + seconds('shutdown-watch-termination-grace-period');
    expect(drain).toBeGreaterThan(0);
    expect(service(host, 'kube-apiserver').stopTimeoutSeconds).toBeGreaterThan(drain);
  });
});

describe('files', () => {
  test('the first encryption key writes, the others and plain text can still be read', () => {
    const host = render();
    const config = parse(file(host, '/etc/kubernetes/encryption.yaml')) as { resources: { providers: object[] }[] };
    const keys = [
      { name: 'k2', secret: 'bmV3' },
      { name: 'k1', secret: 'b2xk' },
    ];
    expect(config.resources[0]?.providers).toEqual([{ secretbox: { keys } }, { identity: {} }]);
  });

  test('only what holds a key is secret', () => {
    const secret = render().files.filter(({ mode }) => mode !== 0o644);
    expect(secret.map(({ path, mode }) => [path, mode])).toEqual([['/etc/kubernetes/encryption.yaml', 0o600]]);
    for (const { path, text } of render().files) if (path !== '/etc/kubernetes/encryption.yaml') expect(text).not.toMatch(/bmV3|b2xk/);
  });

  test('the same again, to the letter', () => {
    expect(render()).toEqual(render());
  });
});

describe('unit files', () => {
  test('whatever a daemon reads comes from systemd, by the names that the arguments have', () => {
    for (const { name, program, arguments: words } of render().services) {
      const unit = file(render(), `/etc/systemd/system/${name}.service`);
      const loaded = [...unit.matchAll(/^LoadCredential=([^:]+):(.*)$/gm)].map(([, id, path]) => [id, path] as const);
      expect(new Set(loaded.map(([id]) => id)).size).toBe(loaded.length);
      const command = commandOf(unit);
      const restored = loaded.reduce(
        (all, [id, path]) =>
          all.map((word) => (word.endsWith(`}/${id}`) ? word.replace(`\${CREDENTIALS_DIRECTORY}/${id}`, path as string) : word)),
        command,
      );
      expect(restored).toEqual([`/usr/local/bin/${program}`, ...words]);
      if (name !== 'hale-agent') expect(command.join(' ')).not.toContain('/etc/kubernetes');
    }
  });

  test('a folder that a daemon writes to is not a file that it reads', () => {
    const unit = file(render(), '/etc/systemd/system/kube-apiserver.service');
    expect(unit).toContain('--audit-log-path=/var/log/kubernetes/audit.log');
    expect(unit).not.toMatch(/LoadCredential=.*audit.log/);
  });

  test('percent and dollar stand for themselves, blanks and quotes are kept', () => {
    const [agent] = render().services.slice(-1) as [Service];
    const { text } = unitFile({ ...agent, arguments: ['50%', '$HOME', 'a b', '"', '\\', ''] }, '/opt/$x/my bin');
    expect(commandOf(text)).toEqual(['"/opt/$x/my bin/hale"', '50%%', '$$HOME', '"a b"', '"\\""', '"\\\\"', '""']);
  });

  test('the agent loads no module itself, so the one for ipvs is loaded before it', () => {
    const unit = (datapath: string) => file(render({ datapath }), '/etc/systemd/system/hale-agent.service');
    expect(unit('ipvs')).toMatch(/^Wants=modprobe@ip_vs\.service$/m);
    expect(unit('auto')).not.toContain('modprobe');
  });

  test('the agent may write to the folder of snapshots where it takes some, and nowhere else', () => {
    const folder = '/backup/etcd';
    const unit = (snapshots: object) => file(render({ etcd: { snapshots } }), '/etc/systemd/system/hale-agent.service');
    expect(unit({ folder, everyMinutes: 60 })).toContain(`\nReadWritePaths=${folder}\n`);
    expect(unit({ folder })).not.toContain(folder);
    expect(unit({ folder, everyMinutes: 60, s3: { bucket: 'backups' } })).not.toContain(folder);
    const tmpfiles = file(render({ etcd: { snapshots: { folder, everyMinutes: 60 } } }), '/etc/tmpfiles.d/hale.conf');
    expect(tmpfiles).toMatch(/^d \/backup\/etcd 0700 root root$/m);
    expect(tmpfiles).not.toContain(`Z ${folder}`);
  });
});
