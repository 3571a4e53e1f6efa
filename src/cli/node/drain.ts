import { Command } from 'commander';
import { EXIT_FINDING } from '../../base/error.ts';
import type { Cluster } from '../../core/cluster/schema.ts';
import { conditionOf, type NodeFacts } from '../../core/heal/facts.ts';
import { fateOf } from '../../core/heal/drain/sort.ts';
import type { DrainOutcome } from '../../core/heal/drain/state.ts';
import { createNodeApi } from '../../drivers/kubernetes/node-api.ts';
import { outcomeText } from '../../engine/heal/steps.ts';
import type { NodeApi } from '../../ports/node-api.ts';
import { agreed } from '../agreed.ts';
import { withCluster } from '../heal/options.ts';
import { interruptible } from '../interrupt.ts';
import { createProgress } from '../progress.ts';
import { chosenNodes, type NodeOptions, withNodes } from './choose.ts';
import { cordon, notChanged } from './cordon.ts';
import { drainLive, renderDrainPlan } from './drain-live.ts';
import { type DrainOptions, drainSettings, withDrainOptions } from './drain-options.ts';

interface Options extends NodeOptions, DrainOptions {
  yes?: true;
  dryRun?: true;
  json?: true;
}

/** `hale node drain`: the Pods of nodes end by the eviction API, as many at once as their budgets let it. */
export function nodeDrainCommand(): Command {
  return withDrainOptions(withNodes(new Command('drain')))
    .description('cordon nodes, and end their Pods by the eviction API, which keeps to disruption budgets')
    .option('--yes', 'do not ask')
    .option('--dry-run', 'only show what would be done')
    .option('--json', 'print one JSON document')
    .action(async (names: string[], options: Options) => {
      await withCluster(options, async ({ cluster, kubernetes }) => {
        const api = createNodeApi({ kubernetes });
        const nodes = await chosenNodes(api, names, options);
        await drainThem(api, { cluster, nodes, options });
      });
    });
}

async function drainThem(
  api: NodeApi,
  { cluster, nodes, options }: { cluster: Cluster; nodes: NodeFacts[]; options: Options },
): Promise<void> {
  const settings = drainSettings(options, cluster);
  const wanted = new Set(nodes.map(({ name }) => name));
  const pods = (await api.pods()).filter(({ node }) => wanted.has(node));
  const say = options.json ? process.stderr : process.stdout;
  say.write(renderDrainPlan(nodes, pods, settings));
  if (pods.some((pod) => fateOf(pod, settings).kind === 'forbidden')) {
    process.exitCode = EXIT_FINDING;
    return;
  }
  if (options.dryRun) return;
  if (!(await agreed('Drain these nodes?', { ...options, undone: 'no node was drained' }))) return;
  const progress = createProgress();
  const {
    outcome,
    pods: gone,
    tookMs,
  } = await interruptible(
    async (signal) => {
      for (const { name } of nodes) {
        const cordoned = await cordon(api, name);
        if (!cordoned.ok) throw notChanged(name, cordoned.reason);
      }
      const targets = nodes.map((node) => ({ name: node.name, isSilent: conditionOf(node, 'Ready')?.status === 'Unknown' }));
      return await drainLive({ api, nodes: targets, settings, progress, signal });
    },
    { says: 'no more Pods are evicted; the nodes stay cordoned (hale node uncordon)' },
  );
  if (options.json) process.stdout.write(`${JSON.stringify({ outcome, tookMs, pods: gone }, null, 2)}\n`);
  else process.stdout.write(tellOutcome(outcome, { nodes, tookMs }));
  if (outcome.kind !== 'drained') process.exitCode = EXIT_FINDING;
}

function tellOutcome(outcome: DrainOutcome, { nodes, tookMs }: { nodes: readonly NodeFacts[]; tookMs: number }): string {
  const names = nodes.map(({ name }) => name).join(' ');
  const back = `hale node uncordon ${names}`;
  if (outcome.kind === 'drained')
    return `drained: ${outcome.gone} Pods left ${nodes.length === 1 ? names : `${nodes.length} nodes`} within ${(tookMs / 1000).toFixed(1)} s; back with ${back}\n`;
  if (outcome.kind === 'cancelled') return `stopped; cordoned until ${back}\n`;
  return `not drained: ${outcomeText(outcome)}\nhale node why NODE says what blocks; cordoned until ${back}\n`;
}
