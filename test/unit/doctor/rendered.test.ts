/** What hale renders is what hale doctor would have people write. */
import { expect, test } from 'vitest';
import { diagnose } from '../../../src/cli/doctor/diagnose.ts';
import { renderedClusterFiles, renderedFiles } from '../../../src/cli/doctor/described.ts';
import { readCluster } from '../../../src/core/cluster/read.ts';
import { gather } from '../../../src/core/doctor/gather.ts';
import { rules } from '../../../src/core/doctor/rules/index.ts';
import { timingChain } from '../../../src/core/doctor/timing/chain.ts';
import { disorders } from '../../../src/core/doctor/timing/order.ts';

const DISTRIBUTIONS = ['kubeadm', 'k3s', 'rke2', 'systemd'];
const PROVIDERS = ['hale', 'haproxy-keepalived', 'kube-vip', 'node-local', 'external'];
const PORTS: Record<string, number> = { hale: 8443, 'haproxy-keepalived': 8443 };

test.each(DISTRIBUTIONS.flatMap((distribution) => PROVIDERS.map((provider) => [distribution, provider])))(
  'hale doctor finds nothing wrong in what hale renders for %s and %s',
  (distribution, provider) => {
    const description = `apiVersion: hale.dev/v1alpha1
kind: Cluster
name: prod
distribution: ${distribution}
endpoint: {provider: ${provider}, address: 10.0.0.100, port: ${PORTS[provider as string] ?? 6443}, interface: eth0, dnsName: api.example.com}
controlPlane:
  hosts:
    - {name: cp1, address: 10.0.0.11/24, zone: a}
    - {name: cp2, address: 10.0.0.12/24, zone: b}
    - {name: cp3, address: 10.0.0.13/24, zone: c}
workers: {hosts: [{name: w1, address: 10.0.0.21/24, zone: a}]}
`;
    const result = readCluster(description, 'cluster.yaml');
    // Not every pair is possible; why, is tested where it is refused.
    if (!result.ok) return expect(result.problems).not.toEqual([]);
    const { cluster } = result;
    const files = [...renderedFiles({ cluster, description }, () => true), ...renderedClusterFiles(cluster)];
    const report = diagnose({ files, troubles: [], passedOver: 0 }, { rules, least: 'warning', ignored: new Set() });
    expect(report.findings.map(({ file, line, id, message }) => `${file}:${line} ${id}: ${message}`)).toEqual([]);
    expect(report.files).toBeGreaterThan(8);
    expect(disorders(timingChain(gather(files))).map(({ message }) => message)).toEqual([]);
  },
);
