/** Documents of kubelet and kube-proxy, which kubeadm keeps in ConfigMaps for all nodes. */
import type { Cluster } from '../../cluster/schema.ts';
import { APISERVER_STOP_SECONDS } from '../apiserver-flags.ts';
import { kubeProxySettings } from '../kube-proxy.ts';
import { because } from '../yaml.ts';

/** What a Pod gets unless it says otherwise (terminationGracePeriodSeconds). */
const POD_STOP_SECONDS = 30;

export function kubeletConfiguration({ kubernetes }: Cluster): unknown {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    cgroupDriver: because(
      "The container runtime's must be the same (containerd: SystemdCgroup), or Pods fail under load.",
      kubernetes.cgroupDriver,
    ),
    shutdownGracePeriod: because(
      `When the machine is shut down in order, Pods are ended first: ordinary ones get ${POD_STOP_SECONDS} s, then the critical ones what an API server\nneeds to drain. The default is 0: all are cut off.`,
      `${POD_STOP_SECONDS + APISERVER_STOP_SECONDS}s`,
    ),
    shutdownGracePeriodCriticalPods: `${APISERVER_STOP_SECONDS}s`,
  };
}

/** None where kube-proxy is not installed. */
export function kubeProxyConfiguration(cluster: Cluster): unknown[] {
  const settings = kubeProxySettings(cluster);
  if (settings === undefined) return [];
  const { mode, strictArp, excludeCidrs } = settings;
  const ipvs = {
    strictARP: because(
      "Services' addresses are on an interface of every node; without it each would answer ARP for the endpoint's address.",
      strictArp,
    ),
    excludeCIDRs:
      excludeCidrs.length === 0
        ? undefined
        : because("kube-proxy removes virtual servers that it does not know; this one is the endpoint's.", excludeCidrs),
  };
  return [
    { apiVersion: 'kubeproxy.config.k8s.io/v1alpha1', kind: 'KubeProxyConfiguration', mode, ipvs: mode === 'ipvs' ? ipvs : undefined },
  ];
}
