import type { Cluster } from '../../cluster/schema.ts';
import type { RenderedFile } from '../file.ts';
import type { HostInput, Part, Step } from '../part.ts';
import { K3S_MANIFESTS_DIR, RKE2_MANIFESTS_DIR, STATIC_POD_DIR } from '../paths.ts';
import { ADMIN, daemonSetText, startsAsSuperAdmin, staticPod, SUPER_ADMIN } from './manifest.ts';

/** kube-vip: the address by ARP, of an elected leader, or by BGP, of every host. */
export const kubeVipPart: Part = { hostFiles, steps };

function hostFiles({ cluster, node }: HostInput): RenderedFile[] {
  if (node.role !== 'control-plane') return [];
  if (cluster.kubeVip.runAs === 'static-pod') return [staticPod(cluster, node)];
  // Of one server: what it applied is in the API then, and several that differ for a while would undo each other's.
  if (node.index > 0) return [];
  const dir = cluster.distribution === 'rke2' ? RKE2_MANIFESTS_DIR : K3S_MANIFESTS_DIR;
  return [{ path: `${dir}/kube-vip.yaml`, text: daemonSetText(cluster), mode: 0o600 }];
}

function steps(cluster: Cluster): Step[] {
  const { kubeVip, distribution } = cluster;
  const hosts = cluster.controlPlane.hosts.map(({ name }) => name);
  const first = hosts[0] as string;
  return [
    ...(kubeVip.runAs === 'daemonset' ? [deployed(first)] : [podStep(cluster, first)]),
    ...(distribution === 'kubeadm' && startsAsSuperAdmin(cluster) ? [switchBack(first)] : []),
    proof(cluster),
  ];
}

function deployed(first: string): Step {
  return {
    moment: 'join',
    where: first,
    text: 'The first server has applied kube-vip.yaml by itself. Wait for the address before others join by it.',
    commands: ['kubectl -n kube-system rollout status daemonset/kube-vip-ds --timeout=120s'],
  };
}

/** The files of every host are there already; kubelet runs what is among them as soon as it runs. */
function podStep({ distribution }: Cluster, first: string): Step {
  return {
    moment: 'first',
    where: first,
    text:
      distribution === 'kubeadm'
        ? `kubelet starts kube-vip from ${STATIC_POD_DIR} in the middle of kubeadm init, which waits for the address. On the others it starts while they join, as soon as ${ADMIN} is there.`
        : 'kubelet starts kube-vip once the server runs. Wait for the address before others join by it.',
    commands: [],
  };
}

/** Not edited in place: kubelet would take a temporary file in its folder for another Pod. */
function switchBack(first: string): Step {
  const manifest = `${STATIC_POD_DIR}/kube-vip.yaml`;
  return {
    moment: 'join',
    where: first,
    text: 'kubeadm init is over, and admin.conf has its rights: take super-admin.conf from kube-vip again. The last command shows which file it uses now.',
    commands: [
      `sed 's#path: ${SUPER_ADMIN}$#path: ${ADMIN}#' ${manifest} >/run/kube-vip.yaml && install -m 0600 /run/kube-vip.yaml ${manifest} && rm /run/kube-vip.yaml`,
      `grep 'path: ${ADMIN}$' ${manifest}`,
      'sleep 30 && crictl ps --name kube-vip   # started anew, and still running',
    ],
  };
}

function proof({ kubeVip, endpoint }: Cluster): Step {
  const lease = 'kubectl -n kube-system get lease plndr-cp-lock -o jsonpath={.spec.holderIdentity}';
  const [address] = endpoint.addresses as [string];
  return {
    moment: 'finish',
    where: 'a control-plane host',
    text:
      kubeVip.mode === 'arp'
        ? 'See who leads, and that this host alone has the address.'
        : 'See that this host has the address on lo; the routers show a route by each control-plane host.',
    commands: [...(kubeVip.mode === 'arp' ? [lease] : []), `ip address show to ${address}`],
  };
}
