import { formatPrefix, hostPort } from '../../../base/address.ts';
import { endpointHost, endpointUrl } from '../../cluster/names.ts';
import type { Cluster } from '../../cluster/schema.ts';
import { externalEtcdSteps, untilThird } from '../etcd-steps.ts';
import { runsAgent } from '../hale/part.ts';
import type { Step } from '../part.ts';
import { KUBEADM_CONFIG, PKI_DIR } from '../paths.ts';
import { kubernetesMinor } from '../release.ts';
import { CA_HASH_PLACEHOLDER } from './join.ts';

/** Setting a cluster up with kubeadm, in order; the address answers before (facts of the provider's own steps). */
export function kubeadmSteps(cluster: Cluster): Step[] {
  const others = cluster.controlPlane.hosts.slice(1).map(({ name }) => name);
  const workers = cluster.workers.hosts.map(({ name }) => name);
  return [
    ...prepare(cluster),
    ...first(cluster),
    ...(others.length === 0 ? [] : join(cluster, others)),
    ...(workers.length === 0 ? [] : joinWorkers(cluster, workers)),
    ...finish(cluster),
  ];
}

/** The first releases with `kubeadm config validate`, and with a super-admin.conf beside admin.conf. */
const VALIDATE_MINOR = 26;
const SUPER_ADMIN_MINOR = 29;

const FIRST = ({ controlPlane }: Cluster): string => controlPlane.hosts[0]?.name as string;

function prepare(cluster: Cluster): Step[] {
  const { kubernetes } = cluster;
  return [
    ...externalEtcdSteps(cluster, 'kubeadm.yaml'),
    {
      moment: 'prepare',
      where: 'each control-plane host and worker',
      text: `Install a container runtime that listens at ${kubernetes.criSocket} with cgroup driver ${kubernetes.cgroupDriver}, and kubeadm, kubelet and kubectl ${kubernetes.version}. Swap is off and the clocks agree within a second, or certificates are not valid yet on the next host.`,
      commands: [
        'swapoff -a',
        'kubeadm version -o short',
        ...(kubernetesMinor(cluster) < VALIDATE_MINOR ? [] : [`kubeadm config validate --config ${KUBEADM_CONFIG}`]),
        'timedatectl show -p NTPSynchronized',
      ],
    },
    ...(runsAgent(cluster) ? [probe(cluster)] : []),
  ];
}

/** Other providers' own steps try it, as far as it can answer by then. */
function probe(cluster: Cluster): Step {
  return {
    moment: 'prepare',
    where: FIRST(cluster),
    text: 'The address answers before there is an API: "connection refused" is right, a time-out is not. kubeadm init would wait for it in vain.',
    commands: [`nc -vz -w 3 ${endpointHost(cluster)} ${cluster.endpoint.port}`],
  };
}

function first(cluster: Cluster): Step[] {
  const { kubernetes } = cluster;
  return [
    {
      moment: 'first',
      where: FIRST(cluster),
      text: "Start the cluster. --upload-certs puts the authorities' keys into the cluster for two hours, encrypted with the certificateKey of the file.",
      commands: [`kubeadm config images pull --config ${KUBEADM_CONFIG}`, `kubeadm init --config ${KUBEADM_CONFIG} --upload-certs`],
    },
    {
      moment: 'first',
      where: FIRST(cluster),
      text: 'The API answers at the endpoint. Go on when it does.',
      commands: [`curl -fsS --cacert ${PKI_DIR}/ca.crt ${endpointUrl(cluster)}/readyz`],
    },
    ...(kubernetes.cni === 'none'
      ? [
          {
            moment: 'first',
            where: FIRST(cluster),
            text: `Install a CNI plugin, with ${kubernetes.podSubnets.map(formatPrefix).join(' and ')} for the Pods; nodes are NotReady until then.`,
            commands: [],
          } as const,
        ]
      : []),
    ...fillInHash(cluster),
  ];
}

/** Who joins must know the authority, which is new. */
function fillInHash(cluster: Cluster): Step[] {
  if (cluster.controlPlane.hosts.length + cluster.workers.hosts.length === 1) return [];
  const hash = `openssl x509 -pubkey -noout -in ${PKI_DIR}/ca.crt | openssl pkey -pubin -outform der | sha256sum | cut -d " " -f 1`;
  return [
    {
      moment: 'first',
      where: 'the folder that holds this one',
      text: `Fill in the hash of the new authority, by which those that join know the cluster, on their hosts; kubeadm refuses to join without.`,
      commands: [
        `HASH=$(ssh root@${FIRST(cluster)} '${hash}')`,
        `for file in $(grep -l ${CA_HASH_PLACEHOLDER} */${KUBEADM_CONFIG.slice(1)}); do ssh -n "root@${'${file%%/*}'}" "sed -i s/${CA_HASH_PLACEHOLDER}/$HASH/ ${KUBEADM_CONFIG}"; done`,
      ],
    },
  ];
}

function join(cluster: Cluster, names: readonly string[]): Step[] {
  const where = `${names.join(', then ')}, never two at a time`;
  return [
    {
      moment: 'join',
      where: FIRST(cluster),
      text: 'Only if more than two hours have passed since kubeadm init: put the keys there again, with the same certificateKey.',
      commands: [`kubeadm init phase upload-certs --upload-certs --config ${KUBEADM_CONFIG}`],
    },
    {
      moment: 'join',
      where,
      text: `Join, and see that the host is ready before the next one begins${untilThird(cluster)}.`,
      commands: [
        `kubeadm join --config ${KUBEADM_CONFIG}`,
        ...(cluster.etcd.topology === 'external'
          ? []
          : ['hale etcd status   # or: etcdctl endpoint health --cluster, with the certificates of /etc/kubernetes/pki/etcd']),
        `curl -fsS --cacert ${PKI_DIR}/ca.crt https://${hostPort(ownAddress(cluster), cluster.apiserver.port)}/readyz`,
      ],
    },
  ];
}

/** Of the host that a command is run on. */
function ownAddress({ apiserver }: Cluster): string {
  return apiserver.bind === 'all' ? '127.0.0.1' : `$(awk '/advertiseAddress/ { print $2 }' ${KUBEADM_CONFIG})`;
}

function joinWorkers(cluster: Cluster, names: readonly string[]): Step[] {
  const where = names.length > 10 ? `each of the ${names.length} workers` : names.join(', ');
  return [
    {
      moment: 'workers',
      where: FIRST(cluster),
      text: 'Only if more than 24 hours have passed since kubeadm init: the token of the files has ended; make it anew.',
      commands: [`kubeadm token create "$(awk '$2 == "token:" { print $3 }' ${KUBEADM_CONFIG})" --ttl 2h`],
    },
    { moment: 'workers', where, text: 'Join; any number at a time.', commands: [`kubeadm join --config ${KUBEADM_CONFIG}`] },
  ];
}

function finish(cluster: Cluster): Step[] {
  const superAdmin: Step = {
    moment: 'finish',
    where: FIRST(cluster),
    text: 'super-admin.conf belongs to system:masters, from whom nothing can be taken: move it off the host and lock it away. admin.conf does for daily work.',
    commands: ['mv /etc/kubernetes/super-admin.conf /root/   # then off this host'],
  };
  return [
    ...(kubernetesMinor(cluster) < SUPER_ADMIN_MINOR ? [] : [superAdmin]),
    {
      moment: 'finish',
      where: 'each control-plane host and worker',
      text: 'Delete the file with token and keys; `hale render` makes it again for hosts to come.',
      commands: [`shred -u ${KUBEADM_CONFIG}`],
    },
    {
      moment: 'finish',
      where: 'whoever upgrades',
      text: 'kubeadm upgrade does not remember the patches: give it their folder each time. It renews the certificates, which end after a year; without upgrades, renew them yourself.',
      commands: ['kubeadm upgrade apply VERSION --patches /etc/kubernetes/patches', 'kubeadm certs check-expiration'],
    },
  ];
}
