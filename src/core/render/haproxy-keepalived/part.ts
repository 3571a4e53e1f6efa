import type { RenderedFile } from '../file.ts';
import type { HostInput, Part } from '../part.ts';
import { checkScript } from './check.ts';
import { haproxyFile } from './haproxy.ts';
import { keepalivedFile } from './keepalived.ts';
import { podFiles } from './pods.ts';
import { haproxyKeepalivedSteps } from './steps.ts';
import { unitDropIns } from './units.ts';

/** HAProxy in front of the API servers, and keepalived, which moves the address between HAProxies. */
export const haproxyKeepalivedPart: Part = { hostFiles, steps: haproxyKeepalivedSteps };

function hostFiles({ cluster, node }: HostInput): RenderedFile[] {
  const { placement } = cluster.haproxyKeepalived;
  if (node.role !== (placement === 'balancers' ? 'balancer' : 'control-plane')) return [];
  return [
    haproxyFile(cluster),
    keepalivedFile(cluster, node.host),
    checkScript(cluster, node.host),
    ...(placement === 'static-pods' ? podFiles(cluster) : unitDropIns()),
  ];
}
