import { hostPort } from '../../../base/address.ts';
import { readCluster } from '../../cluster/read.ts';
import type { Cluster } from '../../cluster/schema.ts';
import type { Facts } from '../facts.ts';
import { type YamlDocument, textAt } from '../read/yaml.ts';
import type { Example, Hit, Rule } from '../rule.ts';
import type { Span } from '../text-file.ts';
import { apiBackends, hostAndPort, serversOf } from './haproxy-model.ts';
import { addressesOf, instancesOf } from './keepalived-model.ts';

/* hale's own description of a cluster, and whether the files that stand beside it are of that cluster. */

const descriptions = ({ documents }: Facts): YamlDocument[] =>
  documents.filter(({ apiVersion, kind }) => apiVersion.startsWith('hale.dev/') && kind === 'Cluster');

/** The one cluster that is described, maybe by a copy on each of its hosts; of several nobody knows which the files are of. */
function describedCluster(facts: Facts): Cluster | undefined {
  const files = [...new Map(descriptions(facts).map(({ file }) => [file.text, file])).values()];
  const [file] = files;
  if (file === undefined || files.length > 1) return undefined;
  const result = readCluster(file.text, file.path);
  return result.ok ? result.cluster : undefined;
}

const EXAMPLE = `apiVersion: hale.dev/v1alpha1
kind: Cluster
name: prod
endpoint: {provider: haproxy-keepalived, address: 10.0.0.100, port: 8443, interface: eth0}
controlPlane:
  hosts:
    - {name: cp1, address: 10.0.0.11/24}
    - {name: cp2, address: 10.0.0.12/24}
    - {name: cp3, address: 10.0.0.13/24}
`;

const beside = (files: Example): Example => ({ 'cluster.yaml': EXAMPLE, ...files });

const invalid: Rule = {
  id: 'cluster-yaml-invalid',
  severity: 'error',
  title: 'hale cannot use its description of a cluster',
  why: 'hale render, hale status and the agents refuse the file, and what stands beside it was not compared with it.',
  fix: 'Mend what the message names; hale validate tells the same.',
  sources: ['docs/reference/cluster.md'],
  examples: { bad: [{ 'cluster.yaml': EXAMPLE.replace('port:', 'prot:') }], good: [{ 'cluster.yaml': EXAMPLE }] },
  *check(facts) {
    // Each host of a rendering has a copy.
    const texts = new Set(descriptions(facts).map(({ file }) => file.text));
    const results = new Map([...texts].map((text) => [text, readCluster(text, '')]));
    for (const { file } of descriptions(facts)) {
      const result = results.get(file.text);
      if (result === undefined || result.ok) continue;
      for (const { line, column, message, remedy } of result.problems) {
        const start = offsetOf(file.text, line, column);
        yield {
          at: { file, start, end: start },
          message: `${message}; ${remedy.charAt(0).toLowerCase()}${remedy.slice(1).replace(/\.$/, '')}`,
        };
      }
    }
  },
};

function offsetOf(text: string, line: number, column: number): number {
  let start = 0;
  for (let at = 1; at < line; at++) start = text.indexOf('\n', start) + 1;
  return start + column - 1;
}

/** Every name and address under which the endpoint is known, with its port. */
const endpointsOf = ({ endpoint: { addresses, dnsName, port } }: Cluster): string[] =>
  [...(dnsName === undefined ? [] : [dnsName]), ...addresses].map((host) => hostPort(host, port));

const endpoint: Rule = {
  id: 'cluster-endpoint-differs',
  severity: 'error',
  title: 'kubeadm makes a cluster for another endpoint than cluster.yaml describes',
  why: 'Every kubeconfig of the cluster leads to controlPlaneEndpoint. If that is not the address that is kept, nodes lose the API with one host.',
  fix: 'Write the endpoint of cluster.yaml, name or address with its port, into controlPlaneEndpoint; or correct cluster.yaml.',
  sources: ['docs/reference/cluster.md', 'kubeadm v1beta4: ClusterConfiguration.controlPlaneEndpoint'],
  examples: {
    bad: [beside({ 'kubeadm.yaml': kubeadm('10.0.0.99:6443') })],
    good: [beside({ 'kubeadm.yaml': kubeadm('10.0.0.100:8443') })],
  },
  *check(facts) {
    const cluster = describedCluster(facts);
    if (cluster === undefined) return;
    for (const document of facts.documents.filter(({ kind }) => kind === 'ClusterConfiguration')) {
      const found = textAt(document.value, ['controlPlaneEndpoint']);
      if (found === undefined || endpointsOf(cluster).includes(/:\d+$/.test(found) ? found : `${found}:6443`)) continue;
      const at = document.span(['controlPlaneEndpoint']);
      yield {
        at,
        message: `controlPlaneEndpoint is ${found}, but the endpoint of ${cluster.name} is ${endpointsOf(cluster).join(' or ')}`,
      };
    }
  },
};

function kubeadm(address: string): string {
  return `apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: ${address}\n`;
}

const members: Rule = {
  id: 'cluster-servers-differ',
  severity: 'warning',
  title: 'HAProxy has other API servers than cluster.yaml has control-plane hosts',
  why: 'A host that HAProxy does not know takes no load and cannot stand in; a server that is no host any more costs time with every attempt.',
  fix: 'Give the backend one server for each host of controlPlane.hosts; hale render writes it.',
  sources: ['docs/reference/cluster.md'],
  examples: { bad: [beside({ 'haproxy.cfg': haproxy([11, 12]) })], good: [beside({ 'haproxy.cfg': haproxy([11, 12, 13]) })] },
  *check(facts) {
    const cluster = describedCluster(facts);
    if (cluster === undefined) return;
    for (const section of apiBackends(facts)) yield* compared(serversOf(section), { cluster, at: section.head.span });
  },
};

type Servers = ReturnType<typeof serversOf>;

function* compared(servers: Servers, { cluster, at }: { cluster: Cluster; at: Span }): Generator<Hit> {
  const hosts = cluster.controlPlane.hosts.map(({ name, addresses }) => ({
    name,
    known: [name, ...addresses.map(({ address }) => address)],
  }));
  const listed = servers.map((server) => hosts.find(({ known }) => known.includes(server.host)));
  // None at all: it is another cluster's, or names them by DNS.
  if (listed.every((host) => host === undefined)) return;
  const missing = hosts.filter((host) => !listed.includes(host)).map(({ name }) => name);
  if (missing.length > 0)
    yield { at, message: `${missing.join(' and ')} of ${cluster.name} ${missing.length === 1 ? 'is' : 'are'} not among its servers` };
  for (const [i, server] of servers.entries()) {
    if (listed[i] !== undefined || hostAndPort(server.host).host.startsWith('127.')) continue;
    yield { at: server.line.span, message: `server ${server.name} at ${server.host} is no control-plane host of ${cluster.name}` };
  }
}

function haproxy(hosts: readonly number[]): string {
  return `backend apiservers\n${hosts.map((host) => `    server cp${host - 10} 10.0.0.${host}:6443 check\n`).join('')}`;
}

const address: Rule = {
  id: 'cluster-address-not-kept',
  severity: 'error',
  title: 'keepalived keeps another address than the endpoint of cluster.yaml',
  why: 'Clients connect to the endpoint of cluster.yaml, and nobody answers there.',
  fix: 'Put the address of the endpoint into virtual_ipaddress, or correct cluster.yaml.',
  sources: ['docs/reference/cluster.md', 'keepalived.conf(5): virtual_ipaddress'],
  examples: {
    bad: [beside({ 'keepalived.conf': keepalived('10.0.0.99') })],
    good: [beside({ 'keepalived.conf': keepalived('10.0.0.100') })],
  },
  *check(facts) {
    const cluster = describedCluster(facts);
    if (cluster === undefined) return;
    for (const config of facts.keepalived) {
      const kept = instancesOf({ keepalived: [config] }).flatMap(addressesOf);
      const wanted: readonly string[] = cluster.endpoint.addresses;
      const [first] = kept;
      if (first === undefined || kept.some((one) => wanted.includes(one.address))) continue;
      yield { at: first.span, message: `${first.address} is kept, but the endpoint of ${cluster.name} is ${wanted.join(' and ')}` };
    }
  },
};

function keepalived(kept: string): string {
  return `vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    virtual_ipaddress {\n        ${kept}/24\n    }\n}\n`;
}

export const clusterRules: readonly Rule[] = [invalid, endpoint, members, address];
