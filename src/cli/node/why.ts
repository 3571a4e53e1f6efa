import { Command } from 'commander';
import { EXIT_FINDING } from '../../base/error.ts';
import { fateOf } from '../../core/heal/drain/sort.ts';
import { conditionOf } from '../../core/heal/facts.ts';
import { type Blocker, whatBlocks } from '../../core/heal/why.ts';
import { createNodeApi } from '../../drivers/kubernetes/node-api.ts';
import { type ClusterAccess, withCluster, withClusterAccess } from '../heal/options.ts';
import { chosenNodes } from './choose.ts';

/** `hale node why`: what blocks a drain. */
export function nodeWhyCommand(): Command {
  return withClusterAccess(new Command('why'))
    .description('show what blocks the drain of a node: the Pod, its owner, the budget, the missing capacity, and the way out of each')
    .argument('<node>', 'name of the node')
    .option('--json', 'print one JSON document')
    .action(async (name: string, options: ClusterAccess & { json?: true }) => {
      await withCluster(options, async ({ kubernetes }) => {
        const api = createNodeApi({ kubernetes });
        const [node] = await chosenNodes(api, [name], options);
        const isSilent = node !== undefined && conditionOf(node, 'Ready')?.status === 'Unknown';
        const [pods, budgets] = [await api.pods(), await api.budgets()];
        const blockers = whatBlocks({ node: name, isSilent, pods, budgets, wallMs: Date.now() });
        const toGo = pods.filter(
          (pod) => pod.node === name && fateOf(pod, { unmanagedPods: 'delete', emptyDirPods: 'delete' }).kind === 'evict',
        ).length;
        process.stdout.write(
          options.json ? `${JSON.stringify({ node: name, toGo, blockers }, null, 2)}\n` : render({ name, toGo, blockers }),
        );
        if (blockers.length > 0) process.exitCode = EXIT_FINDING;
      });
    });
}

function render({ name, toGo, blockers }: { name: string; toGo: number; blockers: readonly Blocker[] }): string {
  if (blockers.length === 0) return `nothing blocks a drain of ${name}: ${toGo} Pods would go\n`;
  const lines = blockers.map(
    ({ pod, owner, text, remedy }) => `${pod}${owner === '' ? '' : ` (${owner})`}\n  ${text}\n  way out: ${remedy}\n`,
  );
  return `${blockers.length} of ${toGo} Pods block a drain of ${name}:\n\n${lines.join('')}`;
}
