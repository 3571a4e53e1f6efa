import type { Cluster } from '../../cluster/schema.ts';
import type { ClusterFile, Part, Step } from '../part.ts';
import { ACCOUNT, accessFile } from './access.ts';
import { dashboardJson } from './dashboard.ts';
import { hasOpenEtcdMetrics } from './jobs.ts';
import { rulesFile } from './rules.ts';
import { prometheusConfig, RULES_FILE } from './scrape.ts';

/** What watches the control plane: Prometheus with its rules, and a dashboard of Grafana. */
export const monitoringPart: Part = { clusterFiles: ({ cluster }) => files(cluster), steps };

function files(cluster: Cluster): ClusterFile[] {
  const file = (name: string, text: string): ClusterFile => ({ path: `monitoring/${name}`, text, mode: 0o644 });
  return [
    file('access.yaml', accessFile()),
    file('prometheus.yml', prometheusConfig(cluster)),
    file(RULES_FILE, rulesFile(cluster)),
    file('dashboard.json', dashboardJson(cluster)),
  ];
}

function steps(cluster: Cluster): Step[] {
  const secret = (field: string) => `kubectl -n kube-system get secret ${ACCOUNT} -o jsonpath='{.data.${field}}' | base64 -d`;
  const { caFile, certFile, keyFile } = cluster.etcd;
  const host = cluster.controlPlane.hosts[0]?.name as string;
  return [
    {
      moment: 'finish',
      where: 'the machine of Prometheus, with these files',
      text: 'Give Prometheus its configuration and what it shows to be let in; import _cluster/monitoring/dashboard.json into Grafana.',
      commands: [
        'kubectl apply -f _cluster/monitoring/access.yaml',
        'install -d -m 0750 -g prometheus /etc/prometheus/credentials',
        'install -m 0644 _cluster/monitoring/prometheus.yml _cluster/monitoring/rules.yml /etc/prometheus/',
        `cd /etc/prometheus/credentials && umask 027`,
        `${secret('token')} >token`,
        `${secret('ca\\.crt')} >ca.crt`,
        ...(hasOpenEtcdMetrics(cluster)
          ? []
          : [`scp ${host}:${caFile} etcd-ca.crt; scp ${host}:${certFile} etcd-client.crt; scp ${host}:${keyFile} etcd-client.key`]),
        'chgrp prometheus * && promtool check config ../prometheus.yml && systemctl reload prometheus',
      ],
    },
  ];
}
