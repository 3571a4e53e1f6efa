import type { Rule } from '../rule.ts';
import { apiserverLoadRules } from './apiserver-load.ts';
import { apiserverRules } from './apiserver.ts';
import { authenticationRules } from './authentication.ts';
import { clientRules } from './clients.ts';
import { clusterFileRules } from './cluster-file.ts';
import { controllerRules } from './controllers.ts';
import { drillRules } from './drills.ts';
import { etcdFlagRules } from './etcd-flags.ts';
import { etcdSettingsRules } from './etcd-settings.ts';
import { etcdRules } from './etcd.ts';
import { fieldNameRules } from './field-names.ts';
import { featureGateRules } from './feature-gates.ts';
import { k3sRules } from './k3s.ts';
import { kubeProxyRules } from './kube-proxy.ts';
import { kubeVipBgpRules } from './kube-vip-bgp.ts';
import { kubeVipPlaceRules } from './kube-vip-place.ts';
import { kubeVipPodRules } from './kube-vip-pod.ts';
import { kubeVipRules } from './kube-vip.ts';
import { kubeadmEndpointRules } from './kubeadm-endpoint.ts';
import { kubeadmFieldRules } from './kubeadm-fields.ts';
import { kubeadmRules } from './kubeadm.ts';
import { kubeletRules } from './kubelet.ts';
import { liveRules } from './live.ts';
import { lvscareRules } from './lvscare.ts';
import { objectRules } from './objects.ts';
import { rke2Rules } from './rke2.ts';
import { staticPodRules } from './static-pods.ts';
import { subnetRules } from './subnets.ts';

/** What is known to go wrong in the files of Kubernetes and of programs for it. */
export const kubernetesRules: readonly Rule[] = [
  ...kubeadmRules,
  ...kubeadmEndpointRules,
  ...fieldNameRules,
  ...kubeadmFieldRules,
  ...subnetRules,
  ...kubeProxyRules,
  ...kubeletRules,
  ...etcdRules,
  ...etcdSettingsRules,
  ...etcdFlagRules,
  ...kubeVipRules,
  ...kubeVipPodRules,
  ...kubeVipPlaceRules,
  ...kubeVipBgpRules,
  ...apiserverRules,
  ...apiserverLoadRules,
  ...authenticationRules,
  ...controllerRules,
  ...featureGateRules,
  ...staticPodRules,
  ...k3sRules,
  ...rke2Rules,
  ...lvscareRules,
  ...objectRules,
  ...liveRules,
  ...drillRules,
  ...clientRules,
  ...clusterFileRules,
];
