import type { Cluster } from '../cluster/schema.ts';

/** What is to be done after a renewal, or what takes up the new certificate by itself. Until then the old one is in use. */
export interface AfterRenewal {
  act?: string;
  reloads?: string;
}

/**
 * Programs that read a pair from its files again: kube-apiserver watches those of its own certificates and looks once a minute besides, and at those for
 * kubelets and etcd at each new connection (k8s.io/apiserver, dynamiccertificates; client-go, transport/cert_rotation.go); etcd reads its pairs in each
 * handshake (etcd, client/pkg/transport/listener.go).
 */
const READERS: Readonly<Record<string, string>> = {
  apiserver: 'kube-apiserver',
  'apiserver-kubelet-client': 'kube-apiserver',
  'front-proxy-client': 'kube-apiserver',
  'apiserver-etcd-client': 'kube-apiserver',
  'etcd/server': 'etcd',
  'etcd/peer': 'etcd',
};

/** What is inside a kubeconfig is read when a program starts, and never again (client-go, clientcmd). */
const ACTS: Readonly<Record<string, string>> = {
  'admin.conf': 'give it to those who have a copy; restart what was started with it, such as kube-vip',
  'super-admin.conf': 'lock it away again',
  'controller-manager.conf': 'restart kube-controller-manager',
  'scheduler.conf': 'restart kube-scheduler',
};

/** hale looks before each call whether they have changed (agent/lock.ts, drivers/kubernetes/client.ts). As root it needs no copies, with systemd neither. */
const HALE_READS: readonly string[] = ['admin.conf', 'etcd/healthcheck-client'];

/** With units of systemd no program of Kubernetes and etcd sees the files: each gets a copy when it starts (systemd.exec(5), LoadCredential=). */
export function afterRenewal(name: string, { distribution }: Pick<Cluster, 'distribution'>): AfterRenewal {
  const reader = READERS[name];
  if (reader !== undefined)
    return distribution === 'systemd' ? { act: `restart ${reader}` } : { reloads: `${reader} reads it again by itself` };
  const act = ACTS[name];
  return {
    ...(act !== undefined && { act }),
    ...(HALE_READS.includes(name) && { reloads: 'hale-agent reads it again by itself' }),
  };
}
