/** k3s and RKE2: one configuration file a host, and what their API servers read. */
import type { RenderedFile } from '../file.ts';
import type { HostInput, Part } from '../part.ts';
import { explainedYaml } from '../yaml.ts';
import { apiserverFiles } from './apiserver.ts';
import type { Flavour } from './flavour.ts';
import { kubeProxyKeys, nodeKeys, serverKey, tokenKey } from './node.ts';
import { serverConfig } from './server.ts';
import { rancherSteps } from './steps.ts';

export function rancherPart(flavour: Flavour): Part {
  return {
    hostFiles: (input) => {
      if (input.node.role === 'balancer') return [];
      if (input.node.role === 'worker') return [configFile(flavour, { unit: flavour.units.agent, keys: agentConfig(input, flavour) })];
      const config = configFile(flavour, { unit: flavour.units.server, keys: serverConfig(input, flavour) });
      return [config, ...apiserverFiles(input.cluster, flavour)];
    },
    steps: (cluster) => rancherSteps(cluster, flavour),
  };
}

function agentConfig(input: HostInput, flavour: Flavour): Record<string, unknown> {
  return { ...serverKey(input.cluster, flavour), ...tokenKey(input), ...nodeKeys(input), ...kubeProxyKeys(input.cluster) };
}

function configFile({ folder }: Flavour, { unit, keys }: { unit: string; keys: Record<string, unknown> }): RenderedFile {
  const head = `Read by ${unit}.service at its start, before anything in config.yaml.d. Holds the token: readable by root only.`;
  return { path: `${folder}/config.yaml`, text: explainedYaml(head, [keys]), mode: 0o600 };
}
