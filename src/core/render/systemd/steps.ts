import { endpointUrl } from '../../cluster/names.ts';
import type { Cluster } from '../../cluster/schema.ts';
import { externalEtcdSteps } from '../etcd-steps.ts';
import type { Step } from '../part.ts';
import { KUBERNETES_DIR } from '../paths.ts';
import { systemdServices } from './host.ts';

/** Setting up a control plane of plain programs; docs/guide/systemd.md says more of each. */
export function systemdSteps(cluster: Cluster): Step[] {
  const { kubernetes, controlPlane } = cluster;
  const services = systemdServices(cluster, { host: controlPlane.hosts[0] as Cluster['controlPlane']['hosts'][number], etcdToken: '' });
  const each = 'each control-plane host';
  return [
    ...externalEtcdSteps(cluster, 'the unit of kube-apiserver'),
    {
      moment: 'prepare',
      where: each,
      text: `Put the programs of ${kubernetes.version} into ${kubernetes.binDir}: ${services.map(({ program }) => program).join(', ')}. Then make the users that they run as, and their folders.`,
      commands: ['systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload'],
    },
    {
      moment: 'first',
      where: `${each}, without waiting for one another`,
      text: 'systemd knows their order on a host; an etcd is ready when most of its members are.',
      commands: [`systemctl enable --now --no-block ${services.map(({ name }) => name).join(' ')}`],
    },
    {
      moment: 'first',
      where: 'the folder that holds this one',
      text: `Once for the cluster, as soon as ${endpointUrl(cluster)} answers: the rights of administrators, and of API servers at kubelets. Then lock super-admin.conf away.`,
      commands: [
        `export KUBECONFIG=$PWD/${controlPlane.hosts[0]?.name}${KUBERNETES_DIR}/super-admin.conf`,
        'until kubectl get --raw /readyz; do sleep 1; done',
        'kubectl create clusterrolebinding kubeadm:cluster-admins --clusterrole=cluster-admin --group=kubeadm:cluster-admins',
        'kubectl create clusterrolebinding kubeadm:apiserver-kubelet-client --clusterrole=system:kubelet-api-admin --user=kube-apiserver-kubelet-client',
      ],
    },
  ];
}
