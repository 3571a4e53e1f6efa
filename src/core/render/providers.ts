import type { Cluster } from '../cluster/schema.ts';
import { externalPart } from './external/part.ts';
import { halePart } from './hale/part.ts';
import { haproxyKeepalivedPart } from './haproxy-keepalived/part.ts';
import { kubeVipPart } from './kube-vip/part.ts';
import { nodeLocalPart } from './node-local/part.ts';
import type { HostInput, Part } from './part.ts';
import { STATIC_POD_DIR } from './paths.ts';

const PROVIDERS: Record<Cluster['endpoint']['provider'], Part> = {
  hale: halePart,
  'haproxy-keepalived': haproxyKeepalivedPart,
  'kube-vip': kubeVipPart,
  'node-local': nodeLocalPart,
  external: externalPart,
};

/** Who answers for the address of the endpoint. */
export function providerPart({ endpoint }: Pick<Cluster, 'endpoint'>): Part {
  return PROVIDERS[endpoint.provider];
}

/** Whether the provider has kubelet run something on this host, which then is there before Kubernetes is. */
export function bringsStaticPods(input: HostInput): boolean {
  const files = providerPart(input.cluster).hostFiles?.(input) ?? [];
  return files.some(({ path }) => path.startsWith(`${STATIC_POD_DIR}/`));
}
