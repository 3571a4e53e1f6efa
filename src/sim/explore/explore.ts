/** Breadth-first search through everything that can happen within a scope; the first violation found has a shortest path. */
import { worldHash } from './canonical.ts';
import { type Action, act, actions, answering, firstWorld, type Scope, type World } from './world.ts';

export interface ExploreOptions {
  /** The search ends here, and says that it is not complete. */
  statesMax: number;
  onDepth?: (progress: { depth: number; states: number }) => void;
}

export interface Exploration {
  scope: string;
  states: number;
  transitions: number;
  /** Actions on the longest of the shortest paths. */
  depth: number;
  /** Whether every state of the scope was visited. */
  complete: boolean;
  violation: Violation | undefined;
}

export interface Violation {
  reason: string;
  path: PathStep[];
}

export interface PathStep {
  before: World;
  action: Action;
  /** Undefined: the core refused, by an assertion. */
  after: World | undefined;
}

interface Node {
  world: World;
  parent: Node | undefined;
  action: Action | undefined;
}

/** Visits every state of the scope once. Two different states share a hash with a chance of about `states`^2 / 2^53. */
export function explore(scope: Scope, options: ExploreOptions): Exploration {
  const first = firstWorld(scope);
  const seen = new Set([worldHash(scope, first)]);
  let frontier: Node[] = [{ world: first, parent: undefined, action: undefined }];
  let transitions = 0;
  let depth = 0;
  const result = (complete: boolean, violation?: Violation): Exploration => ({
    scope: scope.name,
    states: seen.size,
    transitions,
    depth,
    complete,
    violation,
  });
  while (frontier.length > 0) {
    const next: Node[] = [];
    for (const node of frontier) {
      for (const action of actions(scope, node.world)) {
        transitions++;
        const outcome = worldsAfter(scope, node.world, action);
        if ('reason' in outcome) {
          const last = { before: node.world, action, after: outcome.after };
          return { ...result(false, { reason: outcome.reason, path: [...pathTo(node), last] }), depth: depth + 1 };
        }
        for (const world of outcome.worlds) {
          const hash = worldHash(scope, world);
          if (seen.has(hash)) continue;
          if (seen.size >= options.statesMax) return result(false);
          seen.add(hash);
          next.push({ world, parent: node, action });
        }
      }
    }
    frontier = next;
    if (next.length > 0) depth++;
    options.onDepth?.({ depth, states: seen.size });
  }
  return result(true);
}

/** What an action leads to, or why that must never be. */
function worldsAfter(scope: Scope, world: World, action: Action): { worlds: World[] } | { reason: string; after: World | undefined } {
  try {
    const worlds = act(scope, world, action);
    for (const after of worlds) {
      const holders = answering(after);
      if (holders.length > 1) return { reason: `members ${holders.join(' and ')} both answer for the address`, after };
    }
    return { worlds };
  } catch (error) {
    return { reason: (error as Error).message, after: undefined };
  }
}

function pathTo(node: Node): PathStep[] {
  const path: PathStep[] = [];
  for (let at = node; at.parent !== undefined && at.action !== undefined; at = at.parent) {
    path.push({ before: at.parent.world, action: at.action, after: at.world });
  }
  return path.toReversed();
}
