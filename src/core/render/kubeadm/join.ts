import { hostPort } from '../../../base/address.ts';
import { endpointHost } from '../../cluster/names.ts';
import type { HostInput } from '../part.ts';
import { because } from '../yaml.ts';
import { typeOf } from './api.ts';
import { localApiEndpoint, patches } from './init.ts';
import { nodeRegistration } from './registration.ts';

/** Stands where the hash of the authority goes, which nobody knows before `kubeadm init`; kubeadm refuses it. */
export const CA_HASH_PLACEHOLDER = 'FILL_IN_AFTER_KUBEADM_INIT';

/** JoinConfiguration of the other control-plane hosts, and of workers. */
export function joinConfiguration(input: HostInput): unknown {
  const { cluster, node, secrets } = input;
  const controlPlane = node.role === 'control-plane';
  return {
    ...typeOf(cluster, 'JoinConfiguration'),
    discovery: {
      bootstrapToken: {
        token: because(
          'Valid for a day; later, `kubeadm token create` with this very token on a control-plane host.',
          secrets.bootstrapToken,
        ),
        apiServerEndpoint: because(
          'The endpoint, so that joining depends on no single host.',
          hostPort(endpointHost(cluster), cluster.endpoint.port),
        ),
        caCertHashes: because(
          'Shows that the cluster is the right one. Made by `kubeadm init`, so it is not known yet, and kubeadm refuses to join until\nit is filled in; STEPS.md has the command that computes it.',
          [`sha256:${CA_HASH_PLACEHOLDER}`],
        ),
      },
    },
    nodeRegistration: nodeRegistration(input, { joins: true }),
    controlPlane: controlPlane
      ? {
          localAPIEndpoint: localApiEndpoint(input),
          certificateKey: because(
            'Opens the keys that the first host uploaded. They are there for two hours; STEPS.md says how they get there again.',
            secrets.certificateKey,
          ),
        }
      : undefined,
    patches: controlPlane ? patches() : undefined,
  };
}
