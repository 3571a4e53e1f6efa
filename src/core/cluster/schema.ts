import * as z from 'zod';
import { defaultProxySettings } from '../balancer/proxy.ts';
import { bgp } from './bgp.ts';
import { heal } from './heal.ts';
import { hostList } from './hosts.ts';
import { kubernetes, lease, storageClasses, thresholds } from './kubernetes.ts';
import { haproxyKeepalived, kubeVip, nodeLocal, PROVIDERS } from './providers.ts';
import { snapshots } from './snapshots.ts';
import { dnsLabel, dnsName, etcdUrl, filePath, interfaceName, ipAddress, listenAddress, listOf, oneOrTwo, port } from './values.ts';
import { vrrp } from './vrrp.ts';

/*
 * cluster.yaml, defined once: the types, the defaults, `hale schema` and docs/reference/cluster.md all come
 * from here. Rules that span several keys are in checks.ts.
 */

/** Release lines of etcd that hale knows. */
export const ETCD_RELEASES = ['3.4', '3.5', '3.6', '3.7'] as const;

const endpoint = z
  .strictObject({
    provider: z
      .enum(PROVIDERS)
      .default('hale')
      .describe(
        'Who answers for the address: `hale` itself; `haproxy-keepalived`, `kube-vip`, or a balancer on every node (`node-local`), whose files `hale render` writes; `external`, something that is there already and that hale only checks.',
      ),
    address: oneOrTwo(ipAddress, 'an address such as 10.0.0.100, or a list of one IPv4 and one IPv6 address').describe(
      'The address that moves between the control-plane hosts, in the subnet of every one of them. A list of two, one IPv4 and one IPv6, for dual stack.',
    ),
    port: port
      .default(6443)
      .describe(
        'TCP port that clients connect to. With `datapath: dsr` it must be `apiserver.port`; with `datapath: proxy` it must differ from it where the API server listens on all addresses (`apiserver.bind: all`).',
      ),
    interface: interfaceName
      .exactOptional()
      .describe("Network interface that carries the address. Without it, the interface that carries the host's own address."),
    dnsName: dnsName('api.prod.example.com').exactOptional().describe('DNS name of the address, for kubeconfigs and certificates.'),
  })
  .describe('The one address at which the Kubernetes API is reached.')
  .transform(({ address, ...rest }) => ({ ...rest, addresses: listOf(address) }));

const HOSTS_EXPECTS = 'a list of 1 to 7 hosts, each with a name and an address';
const controlPlane = z
  .strictObject({
    hosts: hostList({ max: 7, expects: HOSTS_EXPECTS })
      .min(1, HOSTS_EXPECTS)
      .describe(
        'The 3, 5 or 7 hosts, or 1, that run the API server and an agent. The address is held only with a majority of them. An even number is meant for the time of a change of members.',
      ),
  })
  .describe('The control-plane hosts.');

const workers = z
  .strictObject({
    hosts: hostList({ max: 5000, expects: 'a list of at most 5000 hosts, each with a name and an address' })
      .prefault([])
      .describe('The hosts that run Pods and no control plane.'),
  })
  .prefault({})
  .describe('The worker nodes, as far as `hale render` is to write their files. The agents need no list of them.');

const apiserver = z
  .strictObject({
    port: port.default(6443).describe('TCP port of the API server on each host.'),
    bind: z
      .enum(['all', 'host'])
      .default('all')
      .describe(
        "Addresses the API server listens on: `all` (0.0.0.0 and ::, the default of kubeadm) or `host` (only the host's own address).",
      ),
    caFile: filePath('/etc/kubernetes/pki/ca.crt')
      .default('/etc/kubernetes/pki/ca.crt')
      .describe("Certificate authority that signed the API servers' certificates, on each host."),
  })
  .prefault({})
  .describe('The API server of each host.');

const agent = z
  .strictObject({
    profile: z
      .enum(['fast', 'default', 'calm'])
      .default('default')
      .describe('Lease timing: `fast` moves the address sooner, `calm` rides out slow hosts and networks, `default` lies between.'),
    port: port.default(7700).describe('UDP port of the agents among themselves.'),
    keyFile: filePath('/etc/hale/cluster.key')
      .default('/etc/hale/cluster.key')
      .describe('Key that authenticates the agents to each other, the same on each host.'),
    metricsAddress: listenAddress.prefault('127.0.0.1:7701').describe('Address and TCP port of the Prometheus metrics of the agent.'),
  })
  .prefault({})
  .describe('The agent on each host.');

const nat = z
  .strictObject({
    masquerade: z
      .boolean()
      .default(true)
      .describe(
        "Whether connections reach the API servers with the holder's address as their source. With `false` they keep the client's, for the audit log; then every control-plane host must send what it answers to clients back through the host that holds the address, for example by a route to the clients' networks by way of the address.",
      ),
  })
  .prefault({})
  .describe('The datapath `nat`.');

const proxy = z
  .strictObject({
    maxConnections: z
      .int('a number of connections from 1 to 1000000')
      .min(1, 'a number of connections from 1 to 1000000')
      .max(1_000_000, 'a number of connections from 1 to 1000000')
      .default(defaultProxySettings.maxConnections)
      .describe(
        'Clients at the same time; more are reset at once. Each takes two open files, so the limit of open files (RLIMIT_NOFILE) can allow fewer, which the agent logs.',
      ),
    proxyProtocol: z
      .enum(['off', 'v2'])
      .default(defaultProxySettings.proxyProtocol)
      .describe(
        "`v2` tells backends each client's address by a PROXY protocol header, version 2, before its bytes. Only for a proxy of your own in front of the API server: the API server itself does not understand it.",
      ),
  })
  .prefault({})
  .describe('The `proxy` datapath.');

const etcd = z
  .strictObject({
    topology: z
      .enum(['stacked', 'external'])
      .default('stacked')
      .describe('Where etcd runs: `stacked` on the control-plane hosts, `external` on hosts of its own.'),
    clientPort: port.default(2379).describe('TCP client port of stacked etcd.'),
    endpoints: z
      .array(etcdUrl, 'a list of https URLs')
      .prefault([])
      .describe('Client URLs of external etcd. Required with `topology: external`, refused with `stacked`.'),
    caFile: filePath('/etc/kubernetes/pki/etcd/ca.crt')
      .default('/etc/kubernetes/pki/etcd/ca.crt')
      .describe("Certificate authority that signed etcd's certificates, on each host."),
    certFile: filePath('/etc/kubernetes/pki/etcd/healthcheck-client.crt')
      .default('/etc/kubernetes/pki/etcd/healthcheck-client.crt')
      .describe('Client certificate for etcd, on each host.'),
    keyFile: filePath('/etc/kubernetes/pki/etcd/healthcheck-client.key')
      .default('/etc/kubernetes/pki/etcd/healthcheck-client.key')
      .describe('Key of the client certificate for etcd, on each host.'),
    version: z.enum(ETCD_RELEASES).default('3.6').describe('Release of stacked etcd, whose flags differ.'),
    dataDir: filePath('/var/lib/etcd').default('/var/lib/etcd').describe('Where stacked etcd keeps its data.'),
    disk: z
      .enum(['ssd', 'slow'])
      .default('ssd')
      .describe('What stacked etcd writes to: `ssd` for anything that syncs within 10 ms at the 99th percentile, `slow` for the rest.'),
    latency: z
      .enum(['rack', 'zone', 'region'])
      .default('zone')
      .describe(
        'How far apart the members of stacked etcd are: `rack` for round trips of up to 1 ms, `zone` up to 10 ms, `region` up to 50 ms. It sets heartbeat interval and election timeout.',
      ),
    snapshots,
  })
  .prefault({})
  .describe('The etcd cluster behind the API servers.');

const DATAPATHS = ['auto', 'dsr', 'nat', 'ipvs', 'proxy'] as const;

export const clusterSchema = z
  .strictObject({
    apiVersion: z.literal('hale.dev/v1alpha1').describe('Version of this format.'),
    kind: z.literal('Cluster').describe('Kind of this document.'),
    name: dnsLabel.describe('Name of the cluster.'),
    distribution: z.enum(['kubeadm', 'k3s', 'rke2', 'systemd']).default('kubeadm').describe('What runs the control plane on each host.'),
    endpoint,
    controlPlane,
    workers,
    kubernetes,
    storageClasses,
    haproxyKeepalived,
    kubeVip,
    nodeLocal,
    apiserver,
    agent,
    election: z
      .enum(['quorum', 'kubernetes', 'etcd', 'vrrp'])
      .default('quorum')
      .describe(
        'Who may hold the address: `quorum`, whom a majority of the agents promises it to; `kubernetes` or `etcd`, of those only the one that also owns a Lease in the API, or a key in etcd, so that other programs can take part, but they need etcd, and lose the address with it; `vrrp`, the router of highest priority (RFC 9568), for networks in which keepalived or routers take part, and which can split as VRRP can.',
      ),
    lease,
    vrrp,
    advertise: z
      .enum(['arp', 'bgp', 'frr', 'bird'])
      .default('arp')
      .describe(
        'How others find the address. `arp`: the elected holder answers for it by ARP and NDP. `bgp`: every host that reaches a ready API server announces a route to it to routers, which share the connections out; nobody is elected. `frr` and `bird`: the same through the routing daemon of that name on each host.',
      ),
    bgp,
    datapath: z
      .enum(DATAPATHS)
      .default('auto')
      .describe(
        'How connections to the address reach an API server. `dsr`: the holder steers packets to the API servers, which answer the client directly, and connections outlive their holder; needs that the API servers listen on the port of the endpoint on all addresses. `nat`: the holder translates addresses in its kernel. `ipvs`: the same by IPVS. `proxy`: a process on the holder passes bytes on. `auto`: the first of dsr, nat and proxy that is possible; `hale status` says which and why.',
      ),
    nat,
    proxy,
    etcd,
    thresholds,
    heal,
  })
  .meta({ title: 'hale cluster', description: 'One cluster whose Kubernetes API hale keeps reachable at one address (cluster.yaml).' });

/** cluster.yaml with every default filled in, addresses as lists in canonical text (RFC 5952). */
export type Cluster = z.output<typeof clusterSchema>;
export type ClusterHost = Cluster['controlPlane']['hosts'][number];

export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** JSON Schema of cluster.yaml as a person writes it. Draft 7, the newest draft that the common YAML editors support in full. */
export function clusterJsonSchema(): JsonSchema {
  return z.toJSONSchema(clusterSchema, { io: 'input', target: 'draft-7' });
}
