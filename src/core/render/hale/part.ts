import type { Cluster } from '../../cluster/schema.ts';
import type { RenderedFile } from '../file.ts';
import type { HostInput, Part, Step } from '../part.ts';
import { agentService } from '../systemd/agent.ts';
import { unitFile } from '../systemd/unit.ts';
import { nodeAgentService } from './node-agent.ts';

const CLUSTER_FILE = '/etc/hale/cluster.yaml';

/** Whether the agents of hale answer for the address. */
export function runsAgent({ endpoint, nodeLocal }: Pick<Cluster, 'endpoint' | 'nodeLocal'>): boolean {
  return endpoint.provider === 'hale' || (endpoint.provider === 'node-local' && nodeLocal.balancer === 'hale');
}

/** hale's own agents: on control-plane hosts they hold the address. */
export const halePart: Part = {
  hostFiles: (input) => (input.node.role === 'control-plane' ? controlPlaneFiles(input) : []),
  steps: agentSteps,
};

export function controlPlaneFiles({ cluster, description }: HostInput): RenderedFile[] {
  const unit = unitFile(agentService(cluster), cluster.kubernetes.binDir);
  // With systemd the unit is one of the host's daemons already.
  return [clusterFile(description.whole), ...(cluster.distribution === 'systemd' ? [] : [unit])];
}

/** On a worker the kernel takes the node's own connections straight to a ready API server. */
export function workerFiles({ cluster, description }: HostInput): RenderedFile[] {
  return [clusterFile(description.withoutWorkers), unitFile(nodeAgentService(), cluster.kubernetes.binDir)];
}

function clusterFile(text: string): RenderedFile {
  return { path: CLUSTER_FILE, text, mode: 0o644 };
}

export function agentSteps({ agent, kubernetes }: Cluster): Step[] {
  return [
    {
      moment: 'prepare',
      where: 'each control-plane host',
      text: `Install hale as ${kubernetes.binDir}/hale, and put one key for all agents at ${agent.keyFile}: made once, readable by root only. The agents hold the address before there is an API server; connections are refused until then.`,
      commands: [
        `(umask 077 && openssl rand -hex 32 >cluster.key)   # once, then copied to each host as ${agent.keyFile}, mode 0600`,
        'systemctl enable --now hale-agent',
        'hale status',
      ],
    },
  ];
}
