import type { Cluster } from '../../cluster/schema.ts';
import { comment, yamlText } from '../yaml.ts';
import type { Alert, AlertGroup } from './alert.ts';
import { apiAlerts } from './api-alerts.ts';
import { etcdAlerts } from './etcd-alerts.ts';
import { holderAlerts } from './holder-alerts.ts';
import { JOB } from './jobs.ts';
import { controllerLeaders } from './queries.ts';

function alertGroups(cluster: Cluster): AlertGroup[] {
  return [
    ...apiAlerts(cluster),
    ...etcdAlerts(cluster),
    { name: 'kubernetes-controllers', alerts: controllers(cluster) },
    ...holderAlerts(cluster),
  ];
}

function controllers({ distribution }: Cluster): Alert[] {
  const kubelet: Alert = {
    name: 'KubernetesKubeletDown',
    severity: 'warning',
    expr: `up{job="${JOB.kubelet}"} == 0`,
    for: '5m',
    summary: 'The kubelet of {{ $labels.instance }} cannot be scraped',
    action: 'After some minutes its Pods are started elsewhere. Look at the host, then at the log of kubelet.',
    docs: 'docs/guide/nodes.md',
  };
  return [
    {
      name: 'KubernetesControllerLeaderless',
      severity: 'critical',
      expr: `${controllerLeaders} == 0`,
      for: '2m',
      summary: 'No {{ $labels.name }} leads',
      action: 'Look at its logs: it ends when it cannot renew its Lease in kube-system. Without a leader nothing is scheduled or healed.',
      docs: 'docs/guide/apiserver.md',
    },
    ...(distribution === 'systemd' ? [] : [kubelet]),
  ];
}

const HEAD = `Made by hale from cluster.yaml (thresholds). Alerts of Prometheus; severity critical wants somebody at once, warning within a day.
What is not scraped raises no alert: see prometheus.yml.`;

/** Alerting rules (prometheus.io, "Alerting rules"). */
export function rulesFile(cluster: Cluster): string {
  const groups = alertGroups(cluster).map(({ name, alerts }) => ({
    name,
    rules: alerts.map((alert) => ({
      alert: alert.name,
      expr: alert.expr,
      ...(alert.for === '' ? {} : { for: alert.for }),
      labels: { severity: alert.severity },
      annotations: { summary: alert.summary, description: alert.action, docs: alert.docs },
    })),
  }));
  return comment(HEAD) + yamlText({ groups });
}
