import { hostPort } from '../../../base/address.ts';
import type { Cluster } from '../../cluster/schema.ts';
import { runsAgent } from '../hale/part.ts';
import { comment, yamlText } from '../yaml.ts';
import {
  controlPlaneTargets,
  etcdTargets,
  haleMetricsPort,
  hasAddress,
  hasOpenEtcdMetrics,
  hostTargets,
  JOB,
  type Target,
  usesHaproxy,
} from './jobs.ts';

/** A job, or what is not scraped as it is, with the reason. */
interface Scraped {
  says: string;
  job?: Record<string, unknown>;
}

const EVERY_SECONDS = 15;
export const RULES_FILE = 'rules.yml';

/** What Prometheus is told to read, 2.42 and newer (prometheus.io, "Configuration"). Paths are relative to the file. */
export function prometheusConfig(cluster: Cluster): string {
  const head = {
    global: {
      scrape_interval: `${EVERY_SECONDS}s`,
      evaluation_interval: `${EVERY_SECONDS}s`,
      external_labels: { cluster: cluster.name },
    },
    rule_files: [RULES_FILE],
  };
  const scraped = [
    address(cluster),
    apiservers(cluster),
    etcd(cluster),
    ...controllers(cluster),
    ...kubelets(cluster),
    ...agents(cluster),
    ...haproxy(cluster),
    ...kubeVip(cluster),
  ].flatMap((one) => one ?? []);
  return [
    comment(HEAD),
    yamlText(head),
    'scrape_configs:\n',
    ...scraped.filter(({ job }) => job !== undefined).map(({ says, job }) => comment(says) + yamlText([job])),
    ...scraped.filter(({ job }) => job === undefined).map(({ says }) => `\n${comment(`Not scraped. ${says}`)}`),
  ].join('');
}

const HEAD = `Made by hale from cluster.yaml. The configuration of a Prometheus on a machine that reaches all hosts; add your own alerting and remote_write.
credentials/ beside this file holds what STEPS.md tells to put there, readable by Prometheus alone. Every target has the name of its host as instance.`;

const kubernetesAccess = { scheme: 'https', authorization: { credentials_file: 'credentials/token' } };
const verified = { tls_config: { ca_file: 'credentials/ca.crt' } };

function statics(targets: readonly Target[]): { static_configs: object[] } {
  return { static_configs: targets.map(({ address: target, instance }) => ({ targets: [target], labels: { instance } })) };
}

function address(cluster: Cluster): Scraped | undefined {
  if (!hasAddress(cluster)) return undefined;
  const { endpoint } = cluster;
  const targets = endpoint.addresses.map((one) => ({ address: hostPort(one, endpoint.port), instance: one }));
  return {
    says: 'Whether the API answers at its address: only up and scrape_duration_seconds are kept.',
    job: {
      job_name: JOB.address,
      metrics_path: '/metrics/slis',
      scrape_timeout: '5s',
      ...kubernetesAccess,
      ...verified,
      metric_relabel_configs: [{ source_labels: ['__name__'], regex: '.*', action: 'drop' }],
      ...statics(targets),
    },
  };
}

function apiservers(cluster: Cluster): Scraped {
  const all = cluster.distribution === 'k3s' ? ' k3s is one program: the metrics of its controllers and scheduler are here too.' : '';
  return {
    says: `Each API server by its own address, past the balancer: behind it two scrapes would meet two servers.${all}`,
    job: { job_name: JOB.apiserver, ...kubernetesAccess, ...verified, ...statics(controlPlaneTargets(cluster, cluster.apiserver.port)) },
  };
}

function etcd(cluster: Cluster): Scraped {
  if (hasOpenEtcdMetrics(cluster))
    return {
      says: 'etcd serves its metrics on port 2381 to whoever reaches it (etcd-expose-metrics in config.yaml): let only Prometheus.',
      job: { job_name: JOB.etcd, ...statics(etcdTargets(cluster)) },
    };
  const files = { ca_file: 'credentials/etcd-ca.crt', cert_file: 'credentials/etcd-client.crt', key_file: 'credentials/etcd-client.key' };
  return {
    says: 'etcd serves its metrics on its client port as well, to whoever has a client certificate; its own port for them, 2381, listens on 127.0.0.1.',
    job: { job_name: JOB.etcd, scheme: 'https', tls_config: files, ...statics(etcdTargets(cluster)) },
  };
}

/** Ports of the controllers (kubernetes.io, "Ports and Protocols"). */
const CONTROLLERS = [
  { job: JOB.controllerManager, port: 10_257 },
  { job: JOB.scheduler, port: 10_259 },
] as const;

function controllers({ distribution }: Cluster): Scraped[] {
  if (distribution === 'k3s') return [];
  const where = {
    kubeadm: 'extraArgs of controllerManager and scheduler in ClusterConfiguration',
    rke2: 'kube-controller-manager-arg and kube-scheduler-arg in config.yaml',
    systemd: 'their units',
  }[distribution];
  return CONTROLLERS.map(({ job, port }) => ({
    says: `${job} listens on 127.0.0.1:${port} only. To have who leads and how long its queues are, set --bind-address=0.0.0.0 for it
(${where}), let nobody but Prometheus reach the port, and add a job ${job} like that of kube-apiserver with
insecure_skip_verify: true (its certificate is its own) and port ${port}.`,
  }));
}

const KUBELET_PORT = 10_250;

function kubelets(cluster: Cluster): Scraped[] {
  const { distribution, controlPlane, workers } = cluster;
  // kubeadm's kubelets sign for themselves unless they are told otherwise.
  const tls = { tls_config: { ca_file: 'credentials/ca.crt', insecure_skip_verify: true } };
  const hosts = distribution === 'systemd' ? workers.hosts : [...controlPlane.hosts, ...workers.hosts];
  const nodes = {
    says: "The kubelets of the hosts in cluster.yaml: Debian's Prometheus cannot ask the API for nodes. Their certificates are usually their own, so not verified.",
    job: { job_name: JOB.kubelet, ...kubernetesAccess, ...tls, ...statics(hostTargets(hosts, KUBELET_PORT)) },
  };
  return [...(hosts.length > 0 ? [nodes] : []), machines(cluster, tls)];
}

function machines(cluster: Cluster, tls: object): Scraped {
  if (cluster.distribution === 'systemd')
    return {
      says: 'The memory of the control-plane hosts, which run no kubelet: from prometheus-node-exporter, to be installed there.',
      job: {
        job_name: JOB.machine,
        metric_relabel_configs: [{ source_labels: ['__name__'], regex: 'node_memory_MemTotal_bytes', action: 'keep' }],
        ...statics(controlPlaneTargets(cluster, 9100)),
      },
    };
  return {
    says: 'The memory of the control-plane hosts, and nothing else of what cAdvisor serves.',
    job: {
      job_name: JOB.machine,
      metrics_path: '/metrics/cadvisor',
      ...kubernetesAccess,
      ...tls,
      metric_relabel_configs: [{ source_labels: ['__name__'], regex: 'machine_memory_bytes', action: 'keep' }],
      ...statics(controlPlaneTargets(cluster, KUBELET_PORT)),
    },
  };
}

function agents(cluster: Cluster): Scraped[] {
  if (!runsAgent(cluster)) return [];
  const port = haleMetricsPort(cluster);
  const says = 'The agents of hale on the control-plane hosts: who holds the address (docs/reference/metrics.md).';
  if (port !== undefined) return [{ says, job: { job_name: JOB.hale, ...statics(controlPlaneTargets(cluster, port)) } }];
  return [
    {
      says: `The agents of hale listen on ${cluster.agent.metricsAddress} only. Set agent.metricsAddress to 0.0.0.0:7701 in cluster.yaml,
let nobody but Prometheus reach the port, and render again: then a job ${JOB.hale} stands here.`,
    },
  ];
}

function haproxy(cluster: Cluster): Scraped[] {
  if (!usesHaproxy(cluster)) return [];
  const where = cluster.endpoint.provider === 'node-local' ? 'every node' : 'each host of it';
  return [
    {
      says: `HAProxy serves its metrics on 127.0.0.1:${cluster.haproxyKeepalived.healthPort} of ${where} (/metrics). A Prometheus in agent mode there,
with a job ${JOB.haproxy} for that address and remote_write to this one, brings them here without a port open to others.`,
    },
  ];
}

/** kube-vip listens on all addresses (its prometheus_server). */
const KUBE_VIP_PORT = 2112;

function kubeVip(cluster: Cluster): Scraped[] {
  if (cluster.endpoint.provider !== 'kube-vip') return [];
  return [
    {
      says: 'kube-vip on each control-plane host.',
      job: { job_name: JOB.kubeVip, ...statics(controlPlaneTargets(cluster, KUBE_VIP_PORT)) },
    },
  ];
}
