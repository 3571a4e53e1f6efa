/** What people write: addresses, ports, cluster.yaml, the key file. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { formatIp, formatMac, formatPrefix, hostPort, parseIp, parseMac, parsePrefix, prefixContains } from '../../../src/base/address.ts';
import { formatCommunity } from '../../../src/core/bgp/community.ts';
import { readCluster } from '../../../src/core/cluster/read.ts';
import type { Cluster } from '../../../src/core/cluster/schema.ts';
import { parseHostPort } from '../../../src/core/cluster/values.ts';
import { parseKeys } from '../../../src/drivers/datagram/keys.ts';
import { lineText, refusalOf } from '../refusal.ts';
import type { Target } from '../target.ts';

const ADDRESSES = ['10.0.0.100', 'fd00::100', '::', '1:2:3:4:5:6:7:8', '::ffff:10.0.0.1', '2001:db8::1:0:0:1', '02:00:5e:10:00:01'];
const HOST_PORTS = ['127.0.0.1:7701', '[::1]:7701', '10.0.0.11/24', 'fd00::11/64', '0.0.0.0:65535'];

const address: Target = {
  name: 'address',
  property: 'addresses are those that the C library takes, and their text reads back as the same bytes, as do prefixes, ports and MACs',
  seeds: [...ADDRESSES, ...HOST_PORTS].map((text) => Buffer.from(text)),
  text: true,
  maxLength: 64,
  run(input) {
    const text = Buffer.from(input).toString('latin1');
    const bytes = parseIp(text);
    equal(bytes?.length, { 0: undefined, 4: 4, 6: 16 }[text.includes('%') ? 0 : isIP(text)], 'differs from inet_pton');
    if (bytes !== undefined) {
      deepEqual(parseIp(formatIp(bytes)), bytes);
      if (bytes.length === 16) equal(`[${formatIp(bytes)}]`, new URL(`http://[${text}]`).hostname, 'not the form of RFC 5952');
    }
    const prefix = parsePrefix(text);
    if (prefix !== undefined) {
      deepEqual(parsePrefix(`${prefix.address}/${prefix.length}`), prefix);
      ok(prefixContains(prefix, prefix.address), 'a prefix holds its own address');
    }
    const end = parseHostPort(text);
    if (end !== undefined) deepEqual(parseHostPort(hostPort(end.host, end.port)), end);
    const mac = parseMac(text);
    if (mac !== undefined) equal(formatMac(mac), text.toLowerCase());
  },
};

/** Without its comments, which make up most of it. */
const example = readFileSync(join(import.meta.dirname, '../../../docs/examples/cluster.yaml'), 'utf8').replaceAll(
  /^\s*#.*\n|\s+#.*$/gm,
  '',
);

const SMALL = `apiVersion: hale.dev/v1alpha1
kind: Cluster
name: prod
endpoint: {address: [10.0.0.100, "fd00::100"], port: 8443, interface: eth0}
controlPlane:
  hosts:
    - {name: cp1, address: [10.0.0.11/24, "fd00::11/64"], zone: a}
    - {name: cp2, address: [10.0.0.12/24, "fd00::12/64"]}
    - {name: cp3, address: [10.0.0.13/24, "fd00::13/64"]}
agent: {profile: fast, metricsAddress: "[::1]:7701"}
etcd: {topology: external, endpoints: ["https://10.0.0.21:2379"]}
`;

const RENDERED = SMALL.replace(
  'agent:',
  'distribution: systemd\nkubernetes: {serviceSubnet: [10.96.0.0/29, "fd00:1::/112"], podSubnet: [10.97.0.0/22, "fd00:2::/48"]}\nagent:',
);

const BALANCERS = ['7', '8'].map((last) => `{name: l${last}, address: [10.0.0.${last}/24, "fd00::${last}/64"]}`).join(', ');
const PROVIDED = SMALL.replace('endpoint: {', 'endpoint: {provider: haproxy-keepalived, ').replace(
  'agent:',
  `haproxyKeepalived: {placement: balancers, balancers: [${BALANCERS}]}\nworkers: {hosts: [{name: w, address: 10.0.0.9/24}]}\nagent:`,
);

/** Places where readers of YAML fail: nesting, keys that are not text, anchors, tags, several documents. */
const AWKWARD = [
  '? [a]\n: 1\n',
  '&a [*a]\n',
  '!!binary x: 1\n',
  '__proto__: {a: 1}\n',
  'a: 1\n---\nb: 2\n',
  '[[[[{}]]]]',
  'a: |\n  x\n',
  '"\\ud800": 1',
];

const cluster: Target = {
  name: 'cluster',
  property: 'a cluster.yaml reads as a cluster that reads the same when written out again, or as problems with place, reason and way out',
  seeds: [example, SMALL, RENDERED, PROVIDED, ...AWKWARD].map((text) => Buffer.from(text)),
  text: true,
  maxLength: 4096,
  batch: 16,
  quickExecutions: 160,
  run(input) {
    const text = Buffer.from(input).toString();
    const result = readCluster(text, 'cluster.yaml');
    if (result.ok) {
      const again = readCluster(JSON.stringify(asWritten(result.cluster)), 'again');
      ok(again.ok, `written out it is refused: ${JSON.stringify(again.ok ? '' : again.problems[0])}`);
      return deepEqual(again.cluster, result.cluster);
    }
    ok(result.problems.length > 0, 'refused without a problem');
    const lines = text.split(/\r\n|\r|\n/).length;
    for (const { message, remedy, line, column } of result.problems) {
      ok(line >= 1 && line <= lines && column >= 1, `${line}:${column} is no place in ${lines} lines`);
      lineText(message);
      lineText(remedy);
      for (const slip of ['undefined', 'NaN', '[object'])
        ok(text.includes(slip) || !`${message}${remedy}`.includes(slip), `${message}. ${remedy}`);
    }
  },
};

/** The input form of what was read: without the sections that are refused where nobody uses them. */
function asWritten(read: Cluster): object {
  const { endpoint, controlPlane, workers, kubernetes, lease, vrrp, bgp, haproxyKeepalived, kubeVip, nodeLocal, heal, ...rest } = read;
  const { addresses, ...others } = endpoint;
  const { serviceSubnets, podSubnets, ...versions } = kubernetes;
  const hosts = (list: Cluster['workers']['hosts']) =>
    list.map(({ addresses: own, ...host }) => ({ ...host, address: own.map(formatPrefix) }));
  const { balancers, ...balancing } = haproxyKeepalived;
  const sections = {
    'haproxy-keepalived': { haproxyKeepalived: { ...balancing, ...(balancers.length > 0 && { balancers: hosts(balancers) }) } },
    'kube-vip': { kubeVip },
    'node-local': { nodeLocal },
    hale: {},
    external: {},
  };
  return {
    ...rest,
    endpoint: { ...others, address: addresses },
    controlPlane: { hosts: hosts(controlPlane.hosts) },
    workers: { hosts: hosts(workers.hosts) },
    kubernetes: { ...versions, serviceSubnet: serviceSubnets.map(formatPrefix), podSubnet: podSubnets.map(formatPrefix) },
    ...sections[endpoint.provider],
    heal: { ...heal, power: powerAsWritten(heal.power) },
    ...(rest.election === 'kubernetes' || rest.election === 'etcd' ? { lease } : {}),
    ...(rest.election === 'vrrp' ? { vrrp } : {}),
    ...(rest.advertise === 'arp' ? {} : { bgp: { ...bgp, communities: bgp.communities.map(formatCommunity) } }),
  };
}

function powerAsWritten({ url, host, caFile, credentialsFile, command, ...rest }: Cluster['heal']['power']): object {
  const uses = {
    none: {},
    redfish: { url, credentialsFile, ...(caFile !== undefined && { caFile }) },
    ipmi: { host, credentialsFile },
    command: { command },
  };
  return { ...rest, ...uses[rest.by] };
}

const KEY = '0123456789abcdef'.repeat(4);

const keyFile: Target = {
  name: 'key-file',
  property: 'a key file gives a ring that opens what it seals, or a refusal that names the line and shows none of it',
  seeds: [`${KEY}\n`, `# old\n${KEY.toUpperCase()}\n\n${'f'.repeat(64)}\r\n`, '\n#\n'].map((text) => Buffer.from(text)),
  text: true,
  maxLength: 512,
  quickExecutions: 1000,
  run(input) {
    const text = Buffer.from(input).toString();
    const refusal = refusalOf(() => {
      const ring = parseKeys(text, 'cluster.key');
      const bytes = Uint8Array.of(1, 2, 3);
      ok(ring.verify(ring.sealingKey, bytes, ring.seal(bytes)), 'its own seal is not good');
      ok(!ring.verify(ring.sealingKey, Uint8Array.of(1, 2, 4), ring.seal(bytes)), 'the seal of other bytes is good');
    });
    if (refusal === undefined) return;
    for (const line of text.split('\n')) ok(line.length < 20 || !refusal.message.includes(line.trim()), 'the message shows a key');
  },
};

export const textTargets: readonly Target[] = [address, cluster, keyFile];
