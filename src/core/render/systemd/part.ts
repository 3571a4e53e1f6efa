import type { Part } from '../part.ts';
import { renderSystemdHost } from './host.ts';
import { systemdSteps } from './steps.ts';

/** A control plane of plain programs under systemd. hale brings no kubelet: workers get nothing. */
export const systemdPart: Part = {
  hostFiles: ({ cluster, node, secrets }) => (node.role === 'control-plane' ? renderSystemdHost(cluster, node.host, secrets).files : []),
  steps: systemdSteps,
};
