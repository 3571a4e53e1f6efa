import { endpointUrl } from '../../cluster/names.ts';
import type { Cluster } from '../../cluster/schema.ts';
import { externalEtcdSteps, untilThird } from '../etcd-steps.ts';
import type { Step } from '../part.ts';
import type { Flavour } from './flavour.ts';

/** Setting a cluster of k3s or RKE2 up, in order. */
export function rancherSteps(cluster: Cluster, flavour: Flavour): Step[] {
  const [first, ...others] = cluster.controlPlane.hosts.map(({ name }) => name) as [string, ...string[]];
  const workers = cluster.workers.hosts.map(({ name }) => name);
  return [
    ...prepare(cluster, flavour),
    start(cluster, flavour, first),
    ...(others.length === 0 ? [] : [join(cluster, flavour, others)]),
    ...(workers.length === 0 ? [] : [joinWorkers(flavour, workers)]),
    ...finish(cluster, flavour),
  ];
}

/** The first build of that release; later ones mend what is around it. */
function installation({ kubernetes: { version } }: Cluster, { name }: Flavour, type: 'server' | 'agent'): string {
  return name === 'k3s'
    ? `curl -sfL https://get.k3s.io | INSTALL_K3S_VERSION=${version}+k3s1 INSTALL_K3S_SKIP_START=true sh -s - ${type}`
    : `curl -sfL https://get.rke2.io | INSTALL_RKE2_VERSION=${version}+rke2r1 INSTALL_RKE2_TYPE=${type} sh -`;
}

function prepare(cluster: Cluster, flavour: Flavour): Step[] {
  const { etcd, workers } = cluster;
  const servers: Step = {
    moment: 'prepare',
    where: 'each control-plane host',
    text: `Install ${flavour.name} without starting it, the same release everywhere. All it is told is in ${flavour.folder}/config.yaml, which a later installation leaves alone.`,
    commands: [installation(cluster, flavour, 'server')],
  };
  const agents: Step = {
    moment: 'prepare',
    where: 'each worker',
    text: 'The same for agents.',
    commands: [installation(cluster, flavour, 'agent')],
  };
  return [
    servers,
    ...(workers.hosts.length === 0 ? [] : [agents]),
    ...externalEtcdSteps(cluster, 'config.yaml'),
    ...(etcd.topology === 'external' ? [] : s3Credentials(cluster, flavour)),
  ];
}

/** hale does not know the key, so nor do the files that it writes. */
function s3Credentials({ etcd: { snapshots } }: Cluster, { folder }: Flavour): Step[] {
  const file = snapshots.s3?.credentialsFile;
  if (file === undefined || snapshots.everyMinutes === undefined) return [];
  const words = `/^aws_access_key_id/ { print "etcd-s3-access-key: \\"" $2 "\\"" } /^aws_secret_access_key/ { print "etcd-s3-secret-key: \\"" $2 "\\"" }`;
  return [
    {
      moment: 'prepare',
      where: 'each control-plane host',
      text: `Snapshots go to S3: hand over the key of ${file}, in a file that only root may read.`,
      commands: [
        `mkdir -p ${folder}/config.yaml.d`,
        `(umask 077 && awk -F ' *= *' '${words}' ${file} >${folder}/config.yaml.d/s3-credentials.yaml)`,
      ],
    },
  ];
}

/** As root of a server. */
function kubectl({ name, dataDir, kubeconfig }: Flavour): string {
  return name === 'k3s' ? 'k3s kubectl' : `${dataDir}/bin/kubectl --kubeconfig ${kubeconfig}`;
}

function start(cluster: Cluster, flavour: Flavour, first: string): Step {
  // HAProxy waits for the authority that this makes.
  const answersAlready = cluster.endpoint.provider !== 'haproxy-keepalived';
  const atEndpoint = `curl -fsS --cacert ${flavour.dataDir}/server/tls/server-ca.crt ${endpointUrl(cluster)}/readyz`;
  return {
    moment: 'first',
    where: first,
    text: `Start the cluster, and go on when its API answers here${answersAlready ? ' and at the endpoint' : ''}.`,
    commands: [
      `systemctl enable --now ${flavour.units.server}`,
      `${kubectl(flavour)} get --raw /readyz`,
      ...(answersAlready ? [atEndpoint] : []),
    ],
  };
}

function join(cluster: Cluster, flavour: Flavour, others: readonly string[]): Step {
  const ports =
    flavour.joinPort(cluster) === cluster.endpoint.port
      ? ''
      : `, at port ${flavour.joinPort(cluster)}, which must lead to the servers as the API's does`;
  return {
    moment: 'join',
    where: `${others.join(', then ')}, never two at a time`,
    text: `They join through the endpoint${ports}, so none of them depends on the first server from then on. See that each is ready before the next one begins${untilThird(cluster)}.`,
    commands: [`systemctl enable --now ${flavour.units.server}`, `${kubectl(flavour)} get --raw /readyz`, `${kubectl(flavour)} get nodes`],
  };
}

function joinWorkers({ units }: Flavour, workers: readonly string[]): Step {
  const where = workers.length > 10 ? `each of the ${workers.length} workers` : workers.join(', ');
  return {
    moment: 'workers',
    where,
    text: 'Join; any number at a time. The endpoint is only their first contact: an agent learns the servers from it, and has a balancer of its own on 127.0.0.1.',
    commands: [`systemctl enable --now ${units.agent}`],
  };
}

function finish(cluster: Cluster, flavour: Flavour): Step[] {
  const { folder, kubeconfig, name } = flavour;
  const first = cluster.controlPlane.hosts[0]?.name as string;
  const own = `https://127.0.0.1:${cluster.apiserver.port}`;
  const others = cluster.controlPlane.hosts.length > 1 && cluster.etcd.topology === 'stacked';
  const rejoin: Step = {
    moment: 'finish',
    where: first,
    text: `If this host is ever set up anew while the others live, it must join them: then its ${folder}/config.yaml has the \`server\` of the others${name === 'k3s' ? ' instead of `cluster-init`' : ''}, or it makes a cluster of its own.`,
    commands: [],
  };
  return [
    ...(others ? [rejoin] : []),
    {
      moment: 'finish',
      where: 'the folder that holds this one',
      text: `Keep the token with the backups: it is in ${folder}/config.yaml and in the secrets file of \`hale render\`, and a snapshot cannot be restored on new hosts without it.`,
      commands: [],
    },
    {
      moment: 'finish',
      where: 'where you work',
      text: 'A kubeconfig that names the endpoint instead of the server it was made on. Its context is called default: rename it before you merge it with others.',
      commands: [
        `(umask 077 && ssh root@${first} cat ${kubeconfig} | sed 's#${own}#${endpointUrl(cluster)}#' >${cluster.name}.kubeconfig)`,
      ],
    },
  ];
}
