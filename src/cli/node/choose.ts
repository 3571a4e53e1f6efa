import { hostname, userInfo } from 'node:os';
import type { Command } from 'commander';
import { HaleError } from '../../base/error.ts';
import type { NodeFacts } from '../../core/heal/facts.ts';
import type { NodeApi } from '../../ports/node-api.ts';
import { type ClusterAccess, withClusterAccess } from '../heal/options.ts';

/** Of every command that works on nodes. */
export interface NodeOptions extends ClusterAccess {
  selector?: string;
}

export function withNodes(command: Command): Command {
  return withClusterAccess(command)
    .argument('[nodes...]', 'names of nodes')
    .option('-l, --selector <labels>', 'nodes with all of these labels, such as zone=a,disk, instead of names');
}

/** The nodes that were named, in that order. HaleError `node_unknown` or `node_unnamed`. */
export async function chosenNodes(api: NodeApi, names: readonly string[], { selector }: NodeOptions): Promise<NodeFacts[]> {
  if ((names.length === 0) === (selector === undefined)) {
    throw new HaleError({
      code: 'node_unnamed',
      kind: 'usage',
      message: 'name nodes, or select them by labels, and not both',
      remedy: 'hale node drain node-1, or --selector zone=a',
    });
  }
  const all = await api.nodes();
  if (selector !== undefined) {
    const found = all.filter((node) => fits(node, selector));
    if (found.length > 0) return found;
    throw unknown(`no node has the labels ${selector}`);
  }
  return [...new Set(names)].map((name) => {
    const node = all.find((one) => one.name === name);
    if (node !== undefined) return node;
    throw unknown(`there is no node ${JSON.stringify(name)}`);
  });
}

function unknown(message: string): HaleError {
  return new HaleError({ code: 'node_unknown', kind: 'usage', message, remedy: 'see kubectl get nodes --show-labels' });
}

function fits({ labels }: NodeFacts, selector: string): boolean {
  return selector.split(',').every((term) => {
    const [key = '', value] = term.trim().split(/==?/, 2);
    return value === undefined ? labels[key] !== undefined : labels[key] === value;
  });
}

/** What stands in the node while somebody works on it by hand. */
export function byHand(): string {
  return `${userInfo().username}@${hostname()} since ${new Date().toISOString()}`;
}
