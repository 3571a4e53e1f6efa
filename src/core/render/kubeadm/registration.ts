import type { HostInput } from '../part.ts';
import { bringsStaticPods } from '../providers.ts';
import type { Flag } from '../flags.ts';
import { because } from '../yaml.ts';
import { extraArgs } from './api.ts';

/** `nodeRegistration`: how the kubelet of a host makes itself known. `joins`: the first host does not. */
export function nodeRegistration(input: HostInput, { joins }: { joins: boolean }): unknown {
  const { cluster, node } = input;
  return {
    name: node.host.name,
    criSocket: cluster.kubernetes.criSocket,
    kubeletExtraArgs: extraArgs(cluster, kubeletFlags(input)),
    ignorePreflightErrors:
      joins && bringsStaticPods(input)
        ? because("A static Pod of the endpoint's provider is in this folder before the node joins; everything else is still checked.", [
            'DirAvailable--etc-kubernetes-manifests',
          ])
        : undefined,
  };
}

function kubeletFlags({ node: { host } }: HostInput): Flag[] {
  const addresses = host.addresses.map(({ address }) => address).join(',');
  return [
    {
      name: 'node-ip',
      value: addresses,
      why: "Without it kubelet takes the address of the default route, and once the endpoint's address is on the interface\nperhaps that.",
    },
    ...(host.zone === undefined
      ? []
      : [{ name: 'node-labels', value: `topology.kubernetes.io/zone=${host.zone}`, why: 'Pods and volumes are spread by it.' }]),
  ];
}
