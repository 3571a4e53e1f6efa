import { Command } from 'commander';
import { MAINTENANCE } from '../../core/heal/record.ts';
import { createNodeApi } from '../../drivers/kubernetes/node-api.ts';
import { changeNode, takeBack } from '../../engine/heal/steps.ts';
import type { Effect } from '../../ports/effect.ts';
import type { NodeApi } from '../../ports/node-api.ts';
import { HaleError } from '../../base/error.ts';
import { withCluster } from '../heal/options.ts';
import { byHand, chosenNodes, type NodeOptions, withNodes } from './choose.ts';

/** `hale node cordon`: no new Pods there, and no healing. */
export function nodeCordonCommand(): Command {
  return withNodes(new Command('cordon'))
    .description('have no new Pods scheduled onto nodes, and healing keep off them')
    .action((names: string[], options: NodeOptions) => ofEach(names, options, { done: 'cordoned', change: cordon }));
}

/** `hale node uncordon`: what cordon, drain, reboot and healing have set is taken back. */
export function nodeUncordonCommand(): Command {
  return withNodes(new Command('uncordon'))
    .description('let Pods onto nodes again, and take back what hale has set on them: its marks, and the taint out-of-service')
    .action((names: string[], options: NodeOptions) =>
      ofEach(names, options, { done: 'uncordoned', change: (api, node) => takeBack(api, node, { cordoned: true, tainted: true }) }),
    );
}

export function cordon(api: NodeApi, node: string): Promise<Effect> {
  return changeNode(api, node, () => ({ unschedulable: true, annotations: { [MAINTENANCE]: byHand() } }));
}

interface Work {
  done: string;
  change: (api: NodeApi, node: string) => Promise<Effect>;
}

async function ofEach(names: readonly string[], options: NodeOptions, { done, change }: Work): Promise<void> {
  await withCluster(options, async ({ kubernetes }) => {
    const api = createNodeApi({ kubernetes });
    for (const { name } of await chosenNodes(api, names, options)) {
      const result = await change(api, name);
      if (!result.ok) throw notChanged(name, result.reason);
      process.stdout.write(`${name} ${done}\n`);
    }
  });
}

export function notChanged(node: string, reason: string): HaleError {
  return new HaleError({
    code: 'node_not_changed',
    kind: 'world',
    message: `node ${node} could not be changed: ${reason}`,
    remedy: 'nodes named before it are done; run the command again for the rest',
  });
}
