import { advertised, endpoints, frontPorts, nodeAddresses, virtualAddresses } from '../look/addresses.ts';
import { documentsOf, KUBEADM } from '../look/documents.ts';
import { isOpen } from '../look/flags.ts';
import { hostAndPort, isAddress, isLoopback, list } from '../look/values.ts';
import type { Facts } from '../facts.ts';
import { listAt, textAt, type Path, type YamlDocument } from '../read/yaml.ts';
import type { Hit, Rule } from '../rule.ts';
import { clusterConfiguration, kubeadm, kubeVip } from './examples.ts';

/* The one address of the API in kubeadm's configuration. */

const ENDPOINT = ['controlPlaneEndpoint'];
const INIT = (address: string) => kubeadm('InitConfiguration', `localAPIEndpoint: {advertiseAddress: ${address}}\n`);
const HAPROXY = (port: number) =>
  `frontend api\n  bind *:${port}\n  default_backend cps\nbackend cps\n  server a 10.0.0.1:6443\n  server b 10.0.0.2:6443\n`;

/** Addresses by which clients are told to reach the API. */
function* usedAddresses(facts: Facts): Iterable<{ host: string; what: string }> {
  for (const { host, by } of virtualAddresses(facts)) yield { host, what: `the address that ${by} serves` };
  const paths: { kind: string; path: Path; what: string }[] = [
    { kind: 'JoinConfiguration', path: ['discovery', 'bootstrapToken', 'apiServerEndpoint'], what: 'the address that nodes join by' },
  ];
  for (const { kind, path, what } of paths)
    for (const document of documentsOf(facts, KUBEADM, kind)) {
      const split = hostAndPort(textAt(document.value, path) ?? '');
      if (split !== undefined) yield { host: split.host, what };
    }
}

/** Names and addresses that the API server's certificate will hold: kubeadm adds the endpoint's host and each node's own. */
function certifiedNames(facts: Facts, document: YamlDocument): Set<string> {
  const written = listAt(document.value, ['apiServer', 'certSANs']).map((name) => hostAndPort(String(name))?.host ?? '');
  const endpoint = hostAndPort(textAt(document.value, ENDPOINT) ?? '')?.host ?? '';
  return new Set([...written, endpoint, ...nodeAddresses(facts).map(({ host }) => host)]);
}

function* missingNames(facts: Facts): Iterable<Hit> {
  const configurations = documentsOf(facts, KUBEADM, 'ClusterConfiguration');
  const [document] = configurations;
  // Of several clusters, it is not known which address belongs to which.
  if (document === undefined || new Set(configurations.map(({ value }) => textAt(value, ENDPOINT))).size > 1) return;
  const certified = certifiedNames(facts, document);
  const seen = new Set<string>();
  for (const { host, what } of usedAddresses(facts)) {
    if (certified.has(host) || seen.has(host) || isOpen(host) || isLoopback(host)) continue;
    seen.add(host);
    const at = document.span(['apiServer', 'certSANs'], 'key');
    yield { at, message: `${host}, ${what}, is neither in apiServer.certSANs nor the host of controlPlaneEndpoint` };
  }
}

function* malformed(facts: Facts): Iterable<Hit> {
  const places: readonly { kind: string; path: Path }[] = [
    { kind: 'InitConfiguration', path: ['certificateKey'] },
    { kind: 'JoinConfiguration', path: ['controlPlane', 'certificateKey'] },
  ];
  for (const { kind, path } of places)
    for (const document of documentsOf(facts, KUBEADM, kind)) {
      const key = textAt(document.value, path);
      if (key !== undefined && !isOpen(key) && !/^(?:[0-9a-f]{32}|[0-9a-f]{48}|[0-9a-f]{64})$/i.test(key))
        yield { at: document.span(path), message: `certificateKey has ${key.length} characters, and is not 64 hexadecimal digits` };
    }
}

export const kubeadmEndpointRules: readonly Rule[] = [
  {
    id: 'kubeadm-endpoint-missing',
    severity: 'warning',
    title: 'there is no controlPlaneEndpoint',
    why: "Every kubeconfig and certificate gets the first node's own address. kubeadm then refuses a second control-plane node, and to add the endpoint later, certificates and every node's kubelet.conf have to be made again.",
    fix: 'Set controlPlaneEndpoint to a DNS name with the port of the balancer, even while it leads to a single node.',
    sources: ['kubernetes.io/docs/setup/production-environment/tools/kubeadm/high-availability', 'kubeadm #1447'],
    examples: {
      bad: [{ 'kubeadm.yaml': clusterConfiguration('kubernetesVersion: v1.36.4\n') }],
      good: [{ 'kubeadm.yaml': clusterConfiguration('controlPlaneEndpoint: api.example.com:6443\n') }],
    },
    *check(facts) {
      for (const document of documentsOf(facts, KUBEADM, 'ClusterConfiguration'))
        if ((textAt(document.value, ENDPOINT) ?? '') === '')
          yield { at: document.span(['kind']), message: 'this ClusterConfiguration has no controlPlaneEndpoint' };
    },
  },
  {
    id: 'kubeadm-endpoint-single-node',
    severity: 'warning',
    title: "controlPlaneEndpoint is one control-plane node's own address",
    why: 'When that node is away, so is the API, for every kubelet and every client: the other control-plane nodes are of no use.',
    fix: 'Name the virtual address or the balancer, best by a DNS name; certificates and kubeconfigs have to follow.',
    sources: ['kube-vip #741', 'kube-vip #1017', 'kubernetes.io/docs/setup/production-environment/tools/kubeadm/high-availability'],
    examples: {
      bad: [{ 'kubeadm.yaml': `${INIT('10.0.0.1')}---\n${clusterConfiguration('controlPlaneEndpoint: 10.0.0.1:6443\n')}` }],
      good: [
        { 'kubeadm.yaml': `${INIT('10.0.0.1')}---\n${clusterConfiguration('controlPlaneEndpoint: 10.0.0.100:6443\n')}` },
        {
          'kubeadm.yaml': `${INIT('10.0.0.100')}---\n${clusterConfiguration('controlPlaneEndpoint: 10.0.0.100:6443\n')}`,
          'kube-vip.yaml': kubeVip(),
        },
      ],
    },
    *check(facts) {
      const moving = new Set(virtualAddresses(facts).map(({ host }) => host));
      const nodes = new Set(nodeAddresses(facts).map(({ host }) => host));
      for (const { host, at } of endpoints(facts))
        if (nodes.has(host) && !moving.has(host) && !isLoopback(host))
          yield { at, message: `controlPlaneEndpoint ${host} is the address of a single control-plane node` };
    },
  },
  {
    id: 'kubeadm-endpoint-port',
    severity: 'error',
    title: "controlPlaneEndpoint has not the balancer's port",
    why: 'kubelets and clients go past HAProxy, straight to whatever API server is on the host that holds the address, or find nothing there.',
    fix: "Write the port of HAProxy's bind line into controlPlaneEndpoint; the certificate does not depend on it.",
    sources: ['kubernetes.io/docs/setup/production-environment/tools/kubeadm/high-availability'],
    examples: {
      bad: [{ 'kubeadm.yaml': clusterConfiguration('controlPlaneEndpoint: 10.0.0.100:6443\n'), 'haproxy.cfg': HAPROXY(8443) }],
      good: [{ 'kubeadm.yaml': clusterConfiguration('controlPlaneEndpoint: 10.0.0.100:8443\n'), 'haproxy.cfg': HAPROXY(8443) }],
    },
    *check(facts) {
      const fronts = frontPorts(facts);
      const ports = new Set(fronts.map(({ port }) => port));
      // With kube-vip in the set, another program may be meant.
      if (fronts.every(({ host }) => isLoopback(host)) || facts.programs.some(({ name }) => name === 'kube-vip')) return;
      for (const { host, port = 6443, at } of endpoints(facts))
        if (!ports.has(port) && !isLoopback(host))
          yield {
            at,
            message: `controlPlaneEndpoint leads to port ${port}, but HAProxy takes connections for the API on ${list([...ports].map(String))}`,
          };
    },
  },
  {
    id: 'kubeadm-endpoint-differs',
    severity: 'error',
    title: 'controlPlaneEndpoint is another address than the one that is served',
    why: 'Nodes and clients are given an address that nobody answers for; kubeadm init waits for it until its time is over.',
    fix: 'Write the same address into the configuration of kubeadm and into that of kube-vip or keepalived.',
    sources: ['hale'],
    examples: {
      bad: [{ 'kubeadm.yaml': clusterConfiguration('controlPlaneEndpoint: 10.0.0.99:6443\n'), 'kube-vip.yaml': kubeVip() }],
      good: [{ 'kubeadm.yaml': clusterConfiguration('controlPlaneEndpoint: 10.0.0.100:6443\n'), 'kube-vip.yaml': kubeVip() }],
    },
    *check(facts) {
      const served = virtualAddresses(facts).filter(({ host }) => isAddress(host));
      const nodes = new Set(nodeAddresses(facts).map(({ host }) => host));
      const found = endpoints(facts);
      if (served.length === 0 || found.some(({ host }) => served.some((one) => one.host === host))) return;
      for (const { host, at } of found)
        if (isAddress(host) && !nodes.has(host) && !isLoopback(host))
          yield {
            at,
            message: `controlPlaneEndpoint is ${host}, but ${served[0]?.by} serves ${list([...new Set(served.map((one) => one.host))])}`,
          };
    },
  },
  {
    id: 'kubeadm-endpoint-literal',
    severity: 'info',
    title: 'controlPlaneEndpoint is an IP address, not a name',
    why: 'The address stands in every kubeconfig and certificate of the cluster. Moving to another network or balancer later means making all of them again.',
    fix: 'Use a DNS name that leads to the address, before kubeadm init.',
    sources: ['kubernetes.io/docs/setup/production-environment/tools/kubeadm/create-cluster-kubeadm'],
    examples: {
      bad: [{ 'kubeadm.yaml': clusterConfiguration('controlPlaneEndpoint: 10.0.0.100:6443\n') }],
      good: [{ 'kubeadm.yaml': clusterConfiguration('controlPlaneEndpoint: api.example.com:6443\n') }],
    },
    *check(facts) {
      for (const { host, at } of endpoints(facts))
        if (isAddress(host) && !isLoopback(host))
          yield { at, message: `controlPlaneEndpoint is the address ${host}, which will stand in every kubeconfig` };
    },
  },
  {
    id: 'kubeadm-advertise-virtual',
    severity: 'error',
    title: 'an API server advertises the virtual address as its own',
    why: "The API server and, with kubeadm, its etcd member bind to an address that moves away: the member is lost with it, and its peers connect to another host's etcd.",
    fix: "Set advertiseAddress to the node's own address; the virtual one belongs into controlPlaneEndpoint only.",
    sources: ['kube-vip #741', 'kube-vip #1017'],
    examples: {
      bad: [{ 'kubeadm.yaml': INIT('10.0.0.100'), 'kube-vip.yaml': kubeVip() }],
      good: [{ 'kubeadm.yaml': INIT('10.0.0.1'), 'kube-vip.yaml': kubeVip() }],
    },
    *check(facts) {
      const moving = new Set(virtualAddresses(facts).map(({ host }) => host));
      for (const { host, at } of advertised(facts))
        if (moving.has(host)) yield { at, message: `${host} is advertised as this node's own address, but it is the virtual one` };
    },
  },
  {
    id: 'kubeadm-certificate-names',
    severity: 'error',
    title: 'an address of the API is not in its certificate',
    why: 'Whoever connects to it gets "x509: certificate is valid for …, not …". It often shows only after the first failover, or when the name changes.',
    fix: 'Add it to apiServer.certSANs; on a running cluster then remove apiserver.crt and apiserver.key, and run kubeadm init phase certs apiserver --config FILE on each control-plane node.',
    sources: ['kubeadm #1447', 'kubespray #9098', 'kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4'],
    examples: {
      bad: [{ 'kubeadm.yaml': clusterConfiguration('controlPlaneEndpoint: api.example.com:6443\n'), 'kube-vip.yaml': kubeVip() }],
      good: [
        {
          'kubeadm.yaml': clusterConfiguration('controlPlaneEndpoint: api.example.com:6443\napiServer: {certSANs: [10.0.0.100]}\n'),
          'kube-vip.yaml': kubeVip(),
        },
        { 'kubeadm.yaml': clusterConfiguration('controlPlaneEndpoint: 10.0.0.100:6443\n'), 'kube-vip.yaml': kubeVip() },
      ],
    },
    check: missingNames,
  },
  {
    id: 'kubeadm-discovery-unverified',
    severity: 'error',
    title: 'a joining node does not check whose cluster it joins',
    why: 'Anyone who answers for the address gives the node its certificate authority and, with it, full control over the node.',
    fix: 'Give caCertHashes: sha256 of the public key of ca.crt, which kubeadm token create --print-join-command prints.',
    sources: ['kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-join, security model'],
    examples: {
      bad: [
        {
          'join.yaml': kubeadm(
            'JoinConfiguration',
            'discovery: {bootstrapToken: {apiServerEndpoint: api:6443, unsafeSkipCAVerification: true}}\n',
          ),
        },
      ],
      good: [
        {
          'join.yaml': kubeadm(
            'JoinConfiguration',
            'discovery: {bootstrapToken: {apiServerEndpoint: api:6443, caCertHashes: [sha256:00]}}\n',
          ),
        },
      ],
    },
    *check(facts) {
      const path = ['discovery', 'bootstrapToken', 'unsafeSkipCAVerification'];
      for (const document of documentsOf(facts, KUBEADM, 'JoinConfiguration')) {
        const hashes = listAt(document.value, ['discovery', 'bootstrapToken', 'caCertHashes']);
        if (textAt(document.value, path) === 'true' && hashes.length === 0)
          yield { at: document.span(path), message: 'unsafeSkipCAVerification is true, and there is no caCertHashes' };
      }
    },
  },
  {
    id: 'kubeadm-join-single-node',
    severity: 'warning',
    title: "a node joins by a single control-plane node's address",
    why: 'While that node is away no other can join, just when a replacement is needed.',
    fix: 'Set apiServerEndpoint to the controlPlaneEndpoint of the cluster.',
    sources: ['kubernetes.io/docs/setup/production-environment/tools/kubeadm/high-availability'],
    examples: {
      bad: [
        {
          'kubeadm.yaml': `${INIT('10.0.0.1')}---\n${clusterConfiguration('controlPlaneEndpoint: api.example.com:6443\n')}`,
          'join.yaml': kubeadm('JoinConfiguration', 'discovery: {bootstrapToken: {apiServerEndpoint: 10.0.0.1:6443}}\n'),
        },
      ],
      good: [{ 'join.yaml': kubeadm('JoinConfiguration', 'discovery: {bootstrapToken: {apiServerEndpoint: api.example.com:6443}}\n') }],
    },
    *check(facts) {
      const hosts = new Set(endpoints(facts).map(({ host }) => host));
      const nodes = new Set(nodeAddresses(facts).map(({ host }) => host));
      const path = ['discovery', 'bootstrapToken', 'apiServerEndpoint'];
      for (const document of documentsOf(facts, KUBEADM, 'JoinConfiguration')) {
        const host = hostAndPort(textAt(document.value, path) ?? '')?.host;
        if (host !== undefined && nodes.has(host) && !hosts.has(host))
          yield { at: document.span(path), message: `apiServerEndpoint ${host} is a single control-plane node` };
      }
    },
  },
  {
    id: 'kubeadm-join-without-key',
    severity: 'info',
    title: 'a control-plane node joins without a certificate key',
    why: 'The join stops in its preflight checks, unless the eight files of the certificate authorities were copied to the node before.',
    fix: 'Set controlPlane.certificateKey to the key that kubeadm init --upload-certs printed; it is good for two hours.',
    sources: ['kubernetes.io/docs/setup/production-environment/tools/kubeadm/high-availability'],
    examples: {
      bad: [{ 'join.yaml': kubeadm('JoinConfiguration', 'controlPlane: {localAPIEndpoint: {advertiseAddress: 10.0.0.2}}\n') }],
      good: [
        { 'join.yaml': kubeadm('JoinConfiguration', `controlPlane: {certificateKey: ${'a1'.repeat(32)}}\n`) },
        { 'join.yaml': kubeadm('JoinConfiguration') },
      ],
    },
    *check(facts) {
      for (const document of documentsOf(facts, KUBEADM, 'JoinConfiguration')) {
        const isControlPlane = typeof (document.value as { controlPlane?: unknown }).controlPlane === 'object';
        if (isControlPlane && textAt(document.value, ['controlPlane', 'certificateKey']) === undefined)
          yield { at: document.span(['controlPlane'], 'key'), message: 'controlPlane has no certificateKey' };
      }
    },
  },
  {
    id: 'kubeadm-certificate-key-malformed',
    severity: 'error',
    title: 'certificateKey is no AES key',
    why: 'kubeadm can neither upload nor decrypt the certificates with it, and stops.',
    fix: 'Make one with kubeadm certs certificate-key: 32 random bytes as 64 hexadecimal digits.',
    sources: ['kubeadm certs certificate-key --help'],
    examples: {
      bad: [{ 'init.yaml': kubeadm('InitConfiguration', 'certificateKey: secret\n') }],
      good: [{ 'init.yaml': kubeadm('InitConfiguration', `certificateKey: ${'a1'.repeat(32)}\n`) }],
    },
    check: malformed,
  },
];
