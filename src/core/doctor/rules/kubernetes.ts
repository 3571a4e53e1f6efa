import type { Rule } from '../rule.ts';
import { kubeadmEndpointRules } from './kubeadm-endpoint.ts';
import { kubeadmRules } from './kubeadm.ts';

/** What is known to go wrong in the files of Kubernetes and of programs for it. */
export const kubernetesRules: readonly Rule[] = [...kubeadmRules, ...kubeadmEndpointRules];
