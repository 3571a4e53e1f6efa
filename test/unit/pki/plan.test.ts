import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { readCluster } from '../../../src/core/cluster/read.ts';
import type { Cluster, ClusterHost } from '../../../src/core/cluster/schema.ts';
import { type CertificateFacts, certificateProblems } from '../../../src/core/pki/certificate.ts';
import { parseKubeconfig } from '../../../src/core/pki/current-context.ts';
import { kubeconfigText, renewKubeconfig } from '../../../src/core/pki/kubeconfig.ts';
import { authorityOf, clusterAuthorities, hostCertificates, hostKubeconfigs } from '../../../src/core/pki/plan.ts';
import { afterRenewal } from '../../../src/core/pki/restart.ts';
import { type Authority, createAuthority } from '../../../src/drivers/pki/authority.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');

function clusterOf(facts: object): Cluster {
  const read = readCluster(stringify({ apiVersion: 'hale.dev/v1alpha1', kind: 'Cluster', name: 'prod', ...facts }), 'cluster.yaml');
  if (!read.ok) throw new Error(read.problems.map(({ message }) => message).join('\n'));
  return read.cluster;
}

const clusterWith = (more: object) => {
  const hosts = ['cp1', 'cp2', 'cp3'].map((name, i) => ({ name, address: `10.0.0.${11 + i}/24` }));
  return clusterOf({ endpoint: { address: '10.0.0.100', dnsName: 'api.example.com' }, controlPlane: { hosts }, ...more });
};

describe('the plan', () => {
  let authority: Authority;
  beforeAll(async () => {
    authority = await createAuthority({ commonName: 'kubernetes', validityDays: 1 });
  });

  const label = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}[a-z0-9]$/);
  const anyCluster = fc
    .record({
      name: fc.oneof(label, fc.constantFrom('localhost', 'kubernetes')),
      dnsName: fc.option(label, { nil: undefined }),
      last: fc.integer({ min: 2, max: 200 }),
      dual: fc.boolean(),
      service: fc.constantFrom('10.96.0.0/16', '172.30.0.0/20', '10.0.0.0/24'),
    })
    .map(({ name, dnsName, last, dual, service }) =>
      clusterOf({
        endpoint: { address: dual ? ['10.9.0.250', 'fd00::fa'] : '10.9.0.250', ...(dnsName !== undefined && { dnsName }) },
        controlPlane: { hosts: [{ name, address: dual ? [`10.9.0.${last}/24`, `fd00::${last}/64`] : `10.9.0.${last}/24` }] },
        kubernetes: { serviceSubnet: service },
      }),
    );

  test('every name and address of it is in the certificate, once, and every way to the API is named', async () => {
    await fc.assert(
      fc.asyncProperty(anyCluster, async (cluster) => {
        const host = cluster.controlPlane.hosts[0] as ClusterHost;
        for (const plan of hostCertificates(cluster, host)) {
          expect(authorityOf(plan.path)).toBe(plan.authority);
          const { certPem } = await authority.issue({ ...plan, validityDays: 1 });
          const certificate = new X509Certificate(certPem);
          for (const name of plan.dnsNames) expect(certificate.checkHost(name, { subject: 'never' })).toBe(name);
          for (const address of plan.ipAddresses) expect(certificate.checkIP(address)).toBe(address);
          expect([...new Set(plan.dnsNames), ...new Set(plan.ipAddresses)]).toEqual([...plan.dnsNames, ...plan.ipAddresses]);
          expect((certificate.subjectAltName ?? '').split(', ').filter(Boolean)).toHaveLength(
            plan.dnsNames.length + plan.ipAddresses.length,
          );
          if (plan.path !== 'apiserver') continue;
          const { addresses, dnsName } = cluster.endpoint;
          for (const address of [...addresses, ...host.addresses.map((one) => one.address)])
            expect(certificate.checkIP(address)).toBe(address);
          expect(certificate.checkHost(dnsName ?? 'kubernetes.default.svc')).toBeDefined();
        }
      }),
      { numRuns: 40 },
    );
  });

  test('external etcd has its own authority and certificates, elsewhere', () => {
    const external = clusterWith({ etcd: { topology: 'external', endpoints: ['https://10.0.0.20:2379'] } });
    expect(clusterAuthorities(external)).toEqual(['ca', 'front-proxy-ca']);
    const paths = hostCertificates(external, external.controlPlane.hosts[0] as ClusterHost).map(({ path }) => path);
    expect(paths).toEqual(['apiserver', 'apiserver-kubelet-client', 'front-proxy-client']);
  });

  test('what nobody can take rights from is on the first host alone', () => {
    const cluster = clusterWith({});
    const holders = cluster.controlPlane.hosts.filter((host) =>
      hostKubeconfigs(cluster, host).some((one) => one.organization === 'system:masters'),
    );
    expect(holders.map(({ name }) => name)).toEqual(['cp1']);
    expect(
      cluster.controlPlane.hosts.flatMap((host) => hostCertificates(cluster, host)).filter((one) => one.organization !== undefined),
    ).toEqual([]);
  });

  test('administrators come by the endpoint, the controllers by their own host', () => {
    const cluster = clusterWith({});
    const servers = hostKubeconfigs(cluster, cluster.controlPlane.hosts[1] as ClusterHost).map(({ file, server }) => [file, server]);
    expect(Object.fromEntries(servers)).toEqual({
      'admin.conf': 'https://api.example.com:6443',
      'controller-manager.conf': 'https://10.0.0.12:6443',
      'scheduler.conf': 'https://10.0.0.12:6443',
    });
  });
});

describe('a kubeconfig', () => {
  const facts = { clusterName: 'prod', server: 'https://10.0.0.100:6443', user: 'me', caPem: 'CA', certPem: 'CERT', keyPem: 'KEY' };
  const text = kubeconfigText(facts, base64);

  const read = (yaml: string) => {
    const result = parseKubeconfig(yaml);
    if (!result.ok) throw new Error(`${result.fault.at} ${result.fault.problem}`);
    return result.kubeconfig;
  };

  test('reads back, with the place of everything', () => {
    const { cluster, user, ...rest } = read(text);
    expect([cluster.at, user.at]).toEqual(['clusters[0].cluster', 'users[0].user']);
    expect(rest).toEqual({
      server: { at: 'clusters[0].cluster.server', url: facts.server },
      serverName: undefined,
      authority: { at: 'clusters[0].cluster.certificate-authority-data', base64: base64('CA') },
      certificate: { at: 'users[0].user.client-certificate-data', base64: base64('CERT') },
      key: { at: 'users[0].user.client-key-data', base64: base64('KEY') },
      token: undefined,
    });
  });

  test('that names files, and leaves other keys empty, leads to the files', () => {
    const files = text
      .replace(/client-certificate-data: .*/, 'client-certificate-data: ""\n    client-certificate: me.crt')
      .replace(/client-key-data: .*/, 'client-key: me.key\n    token:\n    tokenFile: me.token');
    expect(read(files)).toMatchObject({
      certificate: { at: 'users[0].user.client-certificate', file: 'me.crt' },
      key: { at: 'users[0].user.client-key', file: 'me.key' },
      token: { at: 'users[0].user.tokenFile', file: 'me.token' },
    });
  });

  test('is renewed in its current context, and what else is in it stays', () => {
    const more = text
      .replace('users:\n', 'users:\n# somebody else\n- name: other\n  user:\n    token: t0ken\n')
      .replace(/client-certificate-data: .*/, 'client-certificate: /old.crt');
    const renewed = renewKubeconfig(more, { server: 'https://new:6443', caPem: 'CA2', certPem: 'CERT2', keyPem: 'KEY2', base64 }) as string;
    expect(read(renewed)).toMatchObject({
      server: { url: 'https://new:6443' },
      authority: { base64: base64('CA2') },
      certificate: { base64: base64('CERT2') },
      key: { base64: base64('KEY2') },
    });
    expect(renewed).toContain('# somebody else');
    expect(renewed).toContain('token: t0ken');
    expect(renewed).not.toContain('/old.crt');
  });

  test('that is none is not read', () => {
    const bomb = `a: &a [x, x]\nb: &b [*a, *a]\n${'c: [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n'}`;
    for (const broken of [
      '',
      'a: [',
      '[]',
      bomb,
      text.replace('user:\n', 'user: &a\n').replace('users:', 'other: *a\nusers:'),
      text.replace('current-context: me@prod', 'current-context: you@prod'),
    ]) {
      expect(parseKubeconfig(broken).ok).toBe(false);
      expect(renewKubeconfig(broken, { ...facts, base64 })).toBeUndefined();
    }
  });
});

describe('judged', () => {
  const good: CertificateFacts = {
    name: 'apiserver',
    path: '/etc/kubernetes/pki/apiserver.crt',
    kind: 'certificate',
    subject: 'CN=kube-apiserver',
    issuer: 'CN=kubernetes',
    dnsNames: ['api.example.com', 'cp1'],
    ipAddresses: ['10.0.0.100'],
    notBefore: '2030-01-01T00:00:00.000Z',
    notAfter: '2031-01-01T00:00:00.000Z',
    keyPath: '/etc/kubernetes/pki/apiserver.key',
    keyMatches: true,
    keyReadableByOthers: false,
    authority: 'ca',
    signedByAuthority: true,
    halfRenewed: false,
  };
  const judge = (facts: Partial<CertificateFacts>, now = '2030-06-01T00:00:00Z') =>
    certificateProblems({ ...good, ...facts }, { nowMs: Date.parse(now), days: 30, cluster: clusterWith({}) }).map(({ code }) => code);

  test('good until the days of the threshold begin', () => {
    expect(judge({})).toEqual([]);
    expect(judge({}, '2030-12-02T00:00:00.000Z')).toEqual([]);
    expect(judge({}, '2030-12-02T00:00:00.001Z')).toEqual(['ends-soon']);
  });

  test('from its first to its last moment (RFC 5280 section 4.1.2.5)', () => {
    expect(judge({}, '2029-12-31T23:59:59.999Z')).toEqual(['not-yet-valid']);
    expect(judge({}, '2030-01-01T00:00:00.000Z')).toEqual([]);
    expect(judge({}, '2031-01-01T00:00:00.000Z')).toEqual(['expired']);
  });

  test('by its names: the address and the name of the endpoint, on the API server alone', () => {
    expect(judge({ ipAddresses: [] })).toEqual(['names-missing']);
    expect(judge({ dnsNames: ['cp1'] })).toEqual(['names-missing']);
    expect(judge({ name: 'etcd/server', dnsNames: [], ipAddresses: [] })).toEqual([]);
  });

  test('by its key, and an authority is good without', () => {
    expect(judge({ keyMatches: null })).toEqual(['key-missing']);
    expect(judge({ kind: 'authority', keyMatches: null })).toEqual([]);
    expect(judge({ keyMatches: false, keyReadableByOthers: true, halfRenewed: true })).toEqual([
      'half-renewed',
      'key-mismatch',
      'key-readable',
    ]);
  });

  test('by its authority; one that is kept elsewhere proves nothing', () => {
    expect(judge({ signedByAuthority: false, trustsAuthority: false })).toEqual(['wrong-authority', 'wrong-authority']);
    expect(judge({ signedByAuthority: null, trustsAuthority: null })).toEqual([]);
  });
});

test.each(['kubeadm', 'systemd'] as const)('with %s, what follows a renewal is said of every certificate', (distribution) => {
  const cluster = clusterWith({ distribution });
  const host = cluster.controlPlane.hosts[0] as ClusterHost;
  const names = [...hostCertificates(cluster, host).map(({ path }) => path), ...hostKubeconfigs(cluster, host).map(({ file }) => file)];
  expect(names.filter((name) => Object.keys(afterRenewal(name, cluster)).length === 0)).toEqual([]);
});

test('what reads a renewed certificate again by itself, and what has to be restarted, is told apart', () => {
  const itself = 'hale-agent reads it again by itself';
  for (const distribution of ['kubeadm', 'systemd'] as const) {
    expect(afterRenewal('etcd/healthcheck-client', { distribution })).toEqual({ reloads: itself });
    expect(afterRenewal('admin.conf', { distribution })).toEqual({ act: expect.stringContaining('kube-vip'), reloads: itself });
    expect(afterRenewal('scheduler.conf', { distribution })).toEqual({ act: 'restart kube-scheduler' });
  }
  expect(afterRenewal('etcd/peer', { distribution: 'systemd' })).toEqual({ act: 'restart etcd' });
  expect(afterRenewal('etcd/peer', { distribution: 'kubeadm' })).toEqual({ reloads: 'etcd reads it again by itself' });
});
