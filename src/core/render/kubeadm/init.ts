import type { HostInput } from '../part.ts';
import { kubeProxySettings } from '../kube-proxy.ts';
import { because } from '../yaml.ts';
import { kubeadmApi, typeOf } from './api.ts';
import { PATCHES_DIR } from './patches.ts';
import { nodeRegistration } from './registration.ts';

/** InitConfiguration: what only the first control-plane host does. */
export function initConfiguration(input: HostInput): unknown {
  const { cluster, secrets } = input;
  return {
    ...typeOf(cluster, 'InitConfiguration'),
    bootstrapTokens: [
      {
        token: secrets.bootstrapToken,
        description: 'nodes join with it (hale)',
        ttl: because('A token that never ends is a way in for ever. `kubeadm token create` makes it anew.', '24h0m0s'),
        usages: ['signing', 'authentication'],
        groups: ['system:bootstrappers:kubeadm:default-node-token'],
      },
    ],
    certificateKey: because(
      "With --upload-certs the authorities' keys wait in the cluster for the other control-plane hosts, encrypted by this.\nThey are deleted after two hours.",
      secrets.certificateKey,
    ),
    localAPIEndpoint: localApiEndpoint(input),
    nodeRegistration: nodeRegistration(input, { joins: false }),
    patches: patches(),
    // v1beta3 cannot say it in ClusterConfiguration.
    skipPhases:
      kubeadmApi(cluster) === 'v1beta3' && kubeProxySettings(cluster) === undefined
        ? because('The CNI plugin carries connections to Services.', ['addon/kube-proxy'])
        : undefined,
  };
}

/** The API server of this very host. */
export function localApiEndpoint({ cluster, node }: HostInput): unknown {
  return { advertiseAddress: node.host.addresses[0]?.address, bindPort: cluster.apiserver.port };
}

export function patches(): unknown {
  return because('What this format has no key for. `kubeadm upgrade` needs the folder again: --patches.', { directory: PATCHES_DIR });
}
