import { auditPolicy, authenticationConfig, encryptionConfig } from '../api-files.ts';
import type { RenderedFile } from '../file.ts';
import type { HostInput, Part } from '../part.ts';
import { KUBEADM_CONFIG } from '../paths.ts';
import { explainedYaml } from '../yaml.ts';
import { clusterConfiguration } from './cluster-configuration.ts';
import { kubeletConfiguration, kubeProxyConfiguration } from './components.ts';
import { initConfiguration } from './init.ts';
import { joinConfiguration } from './join.ts';
import { patchFiles } from './patches.ts';
import { kubeadmSteps } from './steps.ts';

/** What kubeadm needs on each host: its own file, and those that the static Pods read. */
export const kubeadmPart: Part = {
  hostFiles: (input) => {
    if (input.node.role === 'balancer') return [];
    return [kubeadmFile(input), ...(input.node.role === 'control-plane' ? controlPlaneFiles(input) : [])];
  },
  steps: kubeadmSteps,
};

function kubeadmFile(input: HostInput): RenderedFile {
  const { cluster, node } = input;
  const first = node.role === 'control-plane' && node.index === 0;
  const text = first
    ? explainedYaml(
        `kubeadm init --config ${KUBEADM_CONFIG} --upload-certs\nHolds keys: readable by root only, and to be deleted when all hosts have joined.`,
        [initConfiguration(input), clusterConfiguration(cluster), kubeletConfiguration(cluster), ...kubeProxyConfiguration(cluster)],
      )
    : explainedYaml(
        `kubeadm join --config ${KUBEADM_CONFIG}\nHolds keys: readable by root only, and to be deleted when this host has joined.`,
        [joinConfiguration(input)],
      );
  return { path: KUBEADM_CONFIG, text, mode: 0o600 };
}

function controlPlaneFiles(input: HostInput): RenderedFile[] {
  return [encryptionConfig(input.secrets.encryptionKeys), ...authenticationConfig(input.cluster), auditPolicy(), ...patchFiles(input)];
}
