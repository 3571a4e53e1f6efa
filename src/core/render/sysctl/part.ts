import type { Cluster } from '../../cluster/schema.ts';
import type { RenderedFile } from '../file.ts';
import type { HostInput, Part, Step } from '../part.ts';
import { comment } from '../yaml.ts';
import { hasNodes, isFoundByArp, kernelModules, kernelParameters, type Setting } from './settings.ts';

const PARAMETERS = '/etc/sysctl.d/90-hale.conf';

/** Kernel parameters and modules of a host. */
export const sysctlPart: Part = {
  hostFiles: ({ cluster, node }: HostInput) => [
    ...file('/etc/modules-load.d/90-hale.conf', kernelModules(cluster, node)),
    ...file(PARAMETERS, kernelParameters(cluster, node)),
  ],
  steps,
};

function file(path: string, settings: readonly Setting[]): RenderedFile[] {
  if (settings.length === 0) return [];
  const texts = settings.map(({ why, lines }) => [comment(why), ...lines.map((line) => `${line}\n`)].join(''));
  return [{ path, text: `${comment('Made by hale from cluster.yaml.')}\n${texts.join('\n')}`, mode: 0o644 }];
}

function steps(cluster: Cluster): Step[] {
  if (!hasNodes(cluster) && !isFoundByArp(cluster)) return [];
  return [
    {
      moment: 'prepare',
      where: `each host that has ${PARAMETERS}`,
      text: 'Have the kernel take the modules and parameters now; systemd does it at every boot.',
      commands: ['systemctl restart systemd-modules-load systemd-sysctl'],
    },
  ];
}
