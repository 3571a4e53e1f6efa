import type { Facts } from '../facts.ts';
import { documentsOf, nameOf } from '../look/documents.ts';
import { kubernetesMinor, list } from '../look/values.ts';
import { listAt, mapAt, textAt, type YamlDocument } from '../read/yaml.ts';
import type { Hit, Rule } from '../rule.ts';
import { kubeVip } from './examples.ts';

/* A running cluster: its nodes, Leases and Endpoints, as kubectl get -o yaml shows them. */

const nodes = (facts: Facts) => documentsOf(facts, 'v1', 'Node');
const labels = ({ value }: YamlDocument) => mapAt(value, ['metadata', 'labels']);
const isControlPlane = (node: YamlDocument): boolean =>
  ['control-plane', 'master', 'etcd'].some((role) => labels(node)[`node-role.kubernetes.io/${role}`] !== undefined);
const controlPlanes = (facts: Facts) => nodes(facts).filter(isControlPlane);
const zoneOf = (node: YamlDocument): unknown => labels(node)['topology.kubernetes.io/zone'];
const nameAt = (node: YamlDocument) => node.span(['metadata', 'name']);

function* zones(facts: Facts): Iterable<Hit> {
  const masters = controlPlanes(facts);
  const all = new Set(
    nodes(facts)
      .map(zoneOf)
      .filter((zone) => zone !== undefined),
  );
  if (masters.length < 3 || masters.some((node) => zoneOf(node) === undefined) || all.size < 2) return;
  const counts = new Map<unknown, number>();
  for (const node of masters) counts.set(zoneOf(node), (counts.get(zoneOf(node)) ?? 0) + 1);
  const quorum = Math.floor(masters.length / 2) + 1;
  const heavy = [...counts].find(([, count]) => masters.length - count < quorum);
  const first = masters[0] as YamlDocument;
  if (heavy !== undefined)
    yield { at: nameAt(first), message: `${heavy[1]} of ${masters.length} control-plane nodes are in zone ${String(heavy[0])}` };
}

function* skew(facts: Facts): Iterable<Hit> {
  const versions = nodes(facts).flatMap((node) => {
    const minor = kubernetesMinor(textAt(node.value, ['status', 'nodeInfo', 'kubeletVersion']) ?? '');
    return minor === undefined ? [] : [{ node, minor }];
  });
  // API servers are at least as new as the newest kubelet may be.
  const newest = Math.max(...versions.filter(({ node }) => isControlPlane(node)).map(({ minor }) => minor));
  if (!Number.isFinite(newest)) return;
  for (const { node, minor } of versions) {
    const at = node.span(['status', 'nodeInfo', 'kubeletVersion']);
    const most = isControlPlane(node) ? 1 : 3;
    if (minor > newest) yield { at, message: `the kubelet of ${nameOf(node)} is 1.${minor}, newer than the control plane's 1.${newest}` };
    else if (newest - minor > most)
      yield { at, message: `the kubelet of ${nameOf(node)} is 1.${minor}, ${newest - minor} releases behind 1.${newest}` };
  }
}

/** Seconds since 1970 of an RFC 3339 time, without a clock: only to compare two of them. */
function seconds(text: string | undefined): number | undefined {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? undefined : ms / 1000;
}

/** Leases that a program holds to lead, not those of nodes or API servers. */
const LEADERS = /^(?:plndr-cp-lock|plndr-svcs-lock|kube-scheduler|kube-controller-manager|cloud-controller-manager|hale)$/;

/** How much later the rest of the cluster may have been read, in seconds. */
const READING_SECONDS = 30;

function* staleLeases(facts: Facts): Iterable<Hit> {
  const leases = documentsOf(facts, 'coordination.k8s.io/', 'Lease').map((lease) => ({
    lease,
    renewed: seconds(textAt(lease.value, ['spec', 'renewTime'])),
  }));
  const newest = Math.max(...leases.map(({ renewed }) => renewed ?? 0));
  for (const { lease, renewed } of leases) {
    const duration = Number(textAt(lease.value, ['spec', 'leaseDurationSeconds']) ?? 15);
    if (renewed === undefined || !LEADERS.test(nameOf(lease)) || newest - renewed <= duration + READING_SECONDS) continue;
    const holder = textAt(lease.value, ['spec', 'holderIdentity']) ?? 'nobody';
    yield {
      at: lease.span(['spec', 'renewTime']),
      message: `${nameOf(lease)} was last renewed ${Math.round(newest - renewed)} s before others, by ${holder}, for ${duration} s`,
    };
  }
}

function* missingEndpoints(facts: Facts): Iterable<Hit> {
  const masters = controlPlanes(facts).length;
  if (masters < 2) return;
  const found = [...documentsOf(facts, 'v1', 'Endpoints'), ...documentsOf(facts, 'discovery.k8s.io/', 'EndpointSlice')];
  for (const document of found) {
    if (nameOf(document) !== 'kubernetes' || textAt(document.value, ['metadata', 'namespace']) !== 'default') continue;
    const addresses =
      document.kind === 'Endpoints'
        ? listAt(document.value, ['subsets']).flatMap((one) => listAt(one, ['addresses']))
        : listAt(document.value, ['endpoints']).flatMap((one) => listAt(one, ['addresses']));
    if (addresses.length < masters)
      yield {
        at: document.span([document.kind === 'Endpoints' ? 'subsets' : 'endpoints'], 'key'),
        message: `the Service kubernetes leads to ${addresses.length} API servers, of ${masters} control-plane nodes`,
      };
  }
}

function* cloud(facts: Facts): Iterable<Hit> {
  const provider = nodes(facts)
    .map((node) => /^(aws|gce|azure|alicloud|digitalocean):\/\//.exec(textAt(node.value, ['spec', 'providerID']) ?? '')?.[1])
    .find((one) => one !== undefined);
  if (provider === undefined) return;
  for (const program of facts.programs) {
    const arp = program.name === 'kube-vip' ? program.env.find(({ name, value }) => name === 'vip_arp' && value === 'true') : undefined;
    if (arp !== undefined) yield { at: arp.span, message: `kube-vip moves the address by ARP, in ${provider}` };
  }
  for (const { entries } of facts.keepalived)
    for (const { words, span, block } of entries)
      if (words[0] === 'vrrp_instance' && block !== undefined)
        yield { at: span, message: `keepalived moves the address by ARP, in ${provider}` };
}

interface NodeOptions {
  name: string;
  role?: string;
  zone?: string;
  version?: string;
  more?: string;
}

const NODE = ({ name, role = 'control-plane', zone, version = 'v1.36.4', more = '' }: NodeOptions) =>
  `apiVersion: v1\nkind: Node\nmetadata:\n  name: ${name}\n  labels: {node-role.kubernetes.io/${role}: ""${zone === undefined ? '' : `, topology.kubernetes.io/zone: ${zone}`}}\n${more}status:\n  nodeInfo: {kubeletVersion: ${version}}\n`;
const NODES = (...all: NodeOptions[]) => all.map(NODE).join('---\n');
const LEASE = (name: string, time: string) =>
  `apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: ${name}}\nspec: {holderIdentity: cp1, leaseDurationSeconds: 15, renewTime: "2026-05-01T10:${time}.000000Z"}\n`;
const READY = (name: string, status: string) =>
  NODE({ name }).replace('status:\n', `status:\n  conditions: [{type: Ready, status: "${status}"}]\n`);
const ENDPOINTS = (...addresses: string[]) =>
  `apiVersion: v1\nkind: Endpoints\nmetadata: {name: kubernetes, namespace: default}\nsubsets: [{addresses: [${addresses.map((ip) => `{ip: ${ip}}`).join(', ')}]}]\n`;

export const liveRules: readonly Rule[] = [
  {
    id: 'nodes-control-plane-even',
    severity: 'warning',
    title: 'the cluster has an even number of control-plane nodes',
    why: 'Two tolerate no failure, and either can stop both. Four tolerate one, like three, and need one more answer for each write.',
    fix: 'Run 3 or 5; add or remove one at a time.',
    sources: ['kube-vip #941', 'talos #9276', 'k3s #10942'],
    examples: {
      bad: [{ 'nodes.yaml': NODES({ name: 'cp1' }, { name: 'cp2' }) }],
      good: [{ 'nodes.yaml': NODES({ name: 'cp1' }, { name: 'cp2' }, { name: 'cp3' }) }, { 'nodes.yaml': NODES({ name: 'cp1' }) }],
    },
    *check(facts) {
      const masters = controlPlanes(facts);
      const [, second] = masters;
      if (second !== undefined && masters.length % 2 === 0)
        yield { at: nameAt(second), message: `there are ${masters.length} control-plane nodes: ${list(masters.map(nameOf))}` };
    },
  },
  {
    id: 'nodes-one-zone',
    severity: 'warning',
    title: 'one zone holds so many control-plane nodes that the rest has no quorum',
    why: 'When that zone is away, etcd has lost its majority: the API refuses every write, though nodes in other zones run on.',
    fix: 'Spread them over three zones; of two, the bigger one always decides.',
    sources: ['kubernetes.io/docs/setup/best-practices/multiple-zones'],
    examples: {
      bad: [{ 'nodes.yaml': NODES({ name: 'cp1', zone: 'a' }, { name: 'cp2', zone: 'a' }, { name: 'cp3', zone: 'b' }) }],
      good: [
        { 'nodes.yaml': NODES({ name: 'cp1', zone: 'a' }, { name: 'cp2', zone: 'b' }, { name: 'cp3', zone: 'c' }) },
        { 'nodes.yaml': NODES({ name: 'cp1', zone: 'a' }, { name: 'cp2', zone: 'a' }, { name: 'cp3', zone: 'a' }) },
      ],
    },
    check: zones,
  },
  {
    id: 'nodes-version-skew',
    severity: 'error',
    title: 'a kubelet is too old or too new for the control plane',
    why: 'The combination is not supported: Pods miss fields that they need, or the node does not come back after the next upgrade.',
    fix: 'Upgrade the control plane first, one minor release at a time, then kubelets; they may be three releases behind, never ahead.',
    sources: ['kubernetes.io/releases/version-skew-policy'],
    examples: {
      bad: [
        { 'nodes.yaml': NODES({ name: 'cp1' }, { name: 'w1', role: 'worker', version: 'v1.31.2' }) },
        { 'nodes.yaml': NODES({ name: 'cp1' }, { name: 'w1', role: 'worker', version: 'v1.37.0' }) },
      ],
      good: [{ 'nodes.yaml': NODES({ name: 'cp1' }, { name: 'w1', role: 'worker', version: 'v1.33.2' }) }],
    },
    check: skew,
  },
  {
    id: 'node-not-ready',
    severity: 'error',
    title: 'a control-plane node is not ready',
    why: 'The cluster runs without its spare: one more failure, or one upgrade of another node, and the quorum is gone.',
    fix: 'Repair or replace it before anything else is changed. Remove its etcd member first when it is gone for good: with it in the list, no node can join.',
    sources: ['kubeadm #1432', 'kubeadm #1211'],
    examples: { bad: [{ 'node.yaml': READY('cp1', 'Unknown') }], good: [{ 'node.yaml': READY('cp1', 'True') }] },
    *check(facts) {
      for (const node of controlPlanes(facts)) {
        const i = listAt(node.value, ['status', 'conditions']).findIndex(
          (one) => textAt(one, ['type']) === 'Ready' && textAt(one, ['status']) !== 'True',
        );
        if (i !== -1) yield { at: node.span(['status', 'conditions', i]), message: `${nameOf(node)} is not ready` };
      }
    },
  },
  {
    id: 'lease-stale',
    severity: 'error',
    title: 'nobody renews the Lease of a leader',
    why: 'The leader is gone or cut off, and no other has taken over: the address, the scheduler or the controllers stand still.',
    fix: 'Look at the logs of its candidates; often their credentials have ended, or they reach the API through the address that nobody holds.',
    sources: ['kube-vip #1377', 'kube-vip #475'],
    examples: {
      bad: [{ 'leases.yaml': `${LEASE('plndr-cp-lock', '00:00')}---\n${LEASE('kube-scheduler', '05:00')}` }],
      good: [{ 'leases.yaml': `${LEASE('plndr-cp-lock', '04:58')}---\n${LEASE('kube-scheduler', '05:00')}` }],
    },
    check: staleLeases,
  },
  {
    id: 'endpoints-kubernetes-few',
    severity: 'error',
    title: 'the Service kubernetes leads to fewer API servers than there are',
    why: 'An API server that does not renew its entry is down, or cannot write to etcd. Everything in the cluster uses the ones that are left.',
    fix: 'Ask each API server for /readyz?verbose.',
    sources: ['kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver, --endpoint-reconciler-type'],
    examples: {
      bad: [{ 'all.yaml': `${NODES({ name: 'cp1' }, { name: 'cp2' }, { name: 'cp3' })}---\n${ENDPOINTS('10.0.0.1', '10.0.0.2')}` }],
      good: [
        { 'all.yaml': `${NODES({ name: 'cp1' }, { name: 'cp2' }, { name: 'cp3' })}---\n${ENDPOINTS('10.0.0.1', '10.0.0.2', '10.0.0.3')}` },
      ],
    },
    check: missingEndpoints,
  },
  {
    id: 'address-arp-in-cloud',
    severity: 'error',
    title: 'the address moves by ARP in a cloud that does not pass it on',
    why: 'The network of the cloud delivers an address to the machine that it assigned it to, whatever ARP says. The address works on one node and never on another.',
    fix: "Use the cloud's load balancer, an address that is moved through its API, or BGP where the cloud speaks it.",
    sources: ['keepalived #950', 'openshift/installer #3409'],
    examples: {
      bad: [{ 'node.yaml': NODE({ name: 'cp1', more: 'spec: {providerID: "aws:///eu-1a/i-0"}\n' }), 'kube-vip.yaml': kubeVip() }],
      good: [{ 'node.yaml': NODE({ name: 'cp1' }), 'kube-vip.yaml': kubeVip() }],
    },
    check: cloud,
  },
];
