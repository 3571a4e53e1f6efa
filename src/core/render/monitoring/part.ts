import type { Cluster } from '../../cluster/schema.ts';
import type { ClusterFile, Part, Step } from '../part.ts';
import { ACCOUNT, accessFile } from './access.ts';
import { dashboardJson } from './dashboard.ts';
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

/** Where etcd's authority and a client certificate of it are, on a control-plane host. */
function etcdFiles({ distribution, etcd }: Cluster): readonly string[] {
  if (etcd.topology === 'external' || distribution === 'kubeadm' || distribution === 'systemd')
    return [etcd.caFile, etcd.certFile, etcd.keyFile];
  const tls = `/var/lib/rancher/${distribution}/server/tls/etcd`;
  return [`${tls}/server-ca.crt`, `${tls}/client.crt`, `${tls}/client.key`];
}

function steps(cluster: Cluster): Step[] {
  const [ca, cert, key] = etcdFiles(cluster);
  const secret = (field: string) => `kubectl -n kube-system get secret ${ACCOUNT} -o jsonpath='{.data.${field}}' | base64 -d`;
  const host = cluster.controlPlane.hosts[0]?.name as string;
  return [
    {
      moment: 'finish',
      where: 'the machine of Prometheus',
      text: 'Give Prometheus its configuration and what it shows to be let in; import monitoring/dashboard.json into Grafana.',
      commands: [
        'kubectl apply -f monitoring/access.yaml',
        'install -d -m 0750 -g prometheus /etc/prometheus/credentials',
        'install -m 0644 monitoring/prometheus.yml monitoring/rules.yml /etc/prometheus/',
        `cd /etc/prometheus/credentials && umask 027`,
        `${secret('token')} >token`,
        `${secret('ca\\.crt')} >ca.crt`,
        `scp ${host}:${ca} etcd-ca.crt; scp ${host}:${cert} etcd-client.crt; scp ${host}:${key} etcd-client.key`,
        'chgrp prometheus * && promtool check config ../prometheus.yml && systemctl reload prometheus',
      ],
    },
  ];
}
