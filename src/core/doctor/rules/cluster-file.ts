import { evenHostsNote } from '../../cluster/checks.ts';
import { readCluster } from '../../cluster/read.ts';
import type { Cluster } from '../../cluster/schema.ts';
import { documentsOf } from '../look/documents.ts';
import type { Facts } from '../facts.ts';
import type { YamlDocument } from '../read/yaml.ts';
import type { Rule } from '../rule.ts';

/* hale's own cluster.yaml. */

const files = (facts: Facts) => documentsOf(facts, 'hale.dev/', 'Cluster').filter(({ index }) => index === 0);

function* clusters(facts: Facts): Iterable<{ document: YamlDocument; cluster: Cluster }> {
  for (const document of files(facts)) {
    const read = readCluster(document.file.text, document.file.path);
    if (read.ok) yield { document, cluster: read.cluster };
  }
}

/** Sentences become clauses. */
const clause = (text: string): string => text.replace(/\.$/, '').replaceAll('\n', ' ');

const CLUSTER = (hosts: string) =>
  `apiVersion: hale.dev/v1alpha1\nkind: Cluster\nname: prod\nendpoint: {address: 10.0.0.100}\ncontrolPlane:\n  hosts:\n${hosts}`;
const HOSTS = (...zones: string[]) =>
  zones.map((zone, i) => `  - {name: cp${i + 1}, address: 10.0.0.${i + 1}/24${zone === '' ? '' : `, zone: ${zone}`}}\n`).join('');

export const clusterFileRules: readonly Rule[] = [
  {
    id: 'cluster-yaml-even',
    severity: 'warning',
    title: 'cluster.yaml has an even number of control-plane hosts',
    why: 'Two tolerate no failure, four one, like three. Each more only adds a host that must answer.',
    fix: 'List 3, 5 or 7 hosts; an even number is for the time of a change.',
    sources: ['docs/guide/change-members.md'],
    examples: {
      bad: [{ 'cluster.yaml': CLUSTER(HOSTS('', '')) }, { 'cluster.yaml': CLUSTER(HOSTS('', '', '', '')) }],
      good: [{ 'cluster.yaml': CLUSTER(HOSTS('', '', '')) }],
    },
    *check(facts) {
      for (const { document, cluster } of clusters(facts)) {
        const note = evenHostsNote(cluster);
        if (note !== undefined) yield { at: document.span(['controlPlane', 'hosts'], 'key'), message: clause(note) };
      }
    },
  },
  {
    id: 'cluster-yaml-zone',
    severity: 'warning',
    title: 'one zone holds so many hosts that the rest has no majority',
    why: 'When that zone is away, neither the agents nor etcd have a majority, and there is no API.',
    fix: 'Spread the hosts over three zones; of two, the bigger one always decides.',
    sources: ['kubernetes.io/docs/setup/best-practices/multiple-zones'],
    examples: {
      bad: [{ 'cluster.yaml': CLUSTER(HOSTS('a', 'a', 'b')) }],
      good: [{ 'cluster.yaml': CLUSTER(HOSTS('a', 'b', 'c')) }, { 'cluster.yaml': CLUSTER(HOSTS('', '', '')) }],
    },
    *check(facts) {
      for (const { document, cluster } of clusters(facts)) {
        const { hosts } = cluster.controlPlane;
        const zones = new Map<string, number>();
        for (const { zone } of hosts) if (zone !== undefined) zones.set(zone, (zones.get(zone) ?? 0) + 1);
        const heavy = [...zones].find(([, count]) => hosts.length - count < Math.floor(hosts.length / 2) + 1);
        if (hosts.length > 2 && heavy !== undefined)
          yield {
            at: document.span(['controlPlane', 'hosts'], 'key'),
            message: `${heavy[1]} of ${hosts.length} hosts are in zone ${heavy[0]}`,
          };
      }
    },
  },
];
