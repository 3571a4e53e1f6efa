import type { NodePlan } from '../plan.ts';
import type { Versions } from './objects.ts';

/** What a host with kubelets is told, in a file. */
export interface KubeletsOptions {
  kubeconfig: string;
  /** Where kwok finds the API, on this host alone. */
  port: number;
  nodes: readonly NodePlan[];
  versions: Versions;
  /** Of the first bootIDs. Null where the start of this host is that of its node: then they are never the same. */
  seed: string | null;
  statesFolder: string;
  /** Where the names of nodes that are in service are written: all of them, whenever they change. */
  reportFile: string;
}
