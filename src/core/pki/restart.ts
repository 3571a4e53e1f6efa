/** What goes on using the old certificate after a renewal, until something is done. */
export type AfterRenewal = { reloads: string } | { act: string };

const AT_NEXT_CONNECTION = 'reads it again for each new connection';

/**
 * By the name of the certificate. kube-apiserver watches the files of its own certificates and looks once a minute besides (k8s.io/apiserver,
 * dynamiccertificates; client-go, transport/cert_rotation.go); etcd reads its pairs in each handshake (etcd, client/pkg/transport/listener.go). What is inside
 * a kubeconfig is read when the program starts, and never again (client-go, clientcmd).
 */
const AFTER_RENEWAL: Readonly<Record<string, AfterRenewal>> = {
  apiserver: { reloads: 'kube-apiserver reads it again by itself, within a minute' },
  'apiserver-kubelet-client': { reloads: `kube-apiserver ${AT_NEXT_CONNECTION} to a kubelet` },
  'front-proxy-client': { reloads: 'kube-apiserver reads it again by itself, within a minute' },
  'apiserver-etcd-client': { reloads: `kube-apiserver ${AT_NEXT_CONNECTION} to etcd` },
  'etcd/server': { reloads: `etcd ${AT_NEXT_CONNECTION}` },
  'etcd/peer': { reloads: `etcd ${AT_NEXT_CONNECTION} to a member` },
  'etcd/healthcheck-client': { act: 'restart hale-agent if it has `election: etcd`' },
  'admin.conf': {
    act: 'give it to those who have a copy; restart hale-agent if it has `election: kubernetes`, and whatever else was started with it',
  },
  'super-admin.conf': { act: 'lock it away again' },
  'controller-manager.conf': { act: 'restart kube-controller-manager' },
  'scheduler.conf': { act: 'restart kube-scheduler' },
};

export function afterRenewal(name: string): AfterRenewal | undefined {
  return AFTER_RENEWAL[name];
}
