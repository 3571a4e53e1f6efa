/** What tests of healing and draining do with the nodes and Pods of a cluster, and see of them. */
import { REMEDY } from '../../src/core/heal/record.ts';
import { untilWithin } from './hale.ts';
import type { HealCluster } from './heal-cluster.ts';
import { type Workload, workloadObjects } from './heal-workload.ts';

const PATIENCE_MS = 120_000;

export type Stage = ReturnType<typeof stageOf>;

export function becomes<T>(what: string, options: { look: () => Promise<T> | T; wanted: (value: T) => boolean }): Promise<T> {
  return untilWithin(PATIENCE_MS, { ...options, what });
}

/** `nodes`: all of the cluster. */
export function stageOf(cluster: HealCluster, nodes: readonly string[]) {
  /** `name@node` of every Pod that is ready and is not ending. */
  const podsOf = async (...apps: string[]): Promise<string[]> => {
    const list = JSON.parse(await cluster.kubectl('get', 'pods', '-o', 'json', '-l', `app in (${apps.join(',')})`)) as {
      items: {
        metadata: { name: string; deletionTimestamp?: string };
        spec: { nodeName?: string };
        status: { conditions?: { type: string; status: string }[] };
      }[];
    };
    return list.items
      .filter(
        ({ metadata, status }) =>
          metadata.deletionTimestamp === undefined && status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
      )
      .map(({ metadata, spec }) => `${metadata.name}@${spec.nodeName}`);
  };
  const nodeIs = async (name: string) => {
    const node = JSON.parse(await cluster.kubectl('get', 'node', name, '-o', 'json')) as {
      metadata: { annotations?: Record<string, string> };
      spec: { unschedulable?: boolean; taints?: { key: string }[] };
    };
    return {
      cordoned: node.spec.unschedulable === true,
      outOfService: node.spec.taints?.some(({ key }) => key === 'node.kubernetes.io/out-of-service') === true,
      remedy: node.metadata.annotations?.[REMEDY],
    };
  };
  /** The applications that have a Pod there, whatever the rest of its name. */
  const whatIsOn = async (node: string): Promise<string[]> => {
    const found = await cluster.kubectl(
      'get',
      'pods',
      '--field-selector',
      `spec.nodeName=${node}`,
      '-o',
      'jsonpath={range .items[*]}{.metadata.labels.app} {end}',
    );
    return found.trim().split(' ').toSorted();
  };
  const isUntouched = ({ cordoned, outOfService, remedy }: Awaited<ReturnType<typeof nodeIs>>) =>
    !cordoned && !outOfService && remedy === undefined;
  const place = async (...workloads: Workload[]) => {
    await cluster.apply(...workloads.flatMap(workloadObjects));
    const wanted = workloads.reduce((sum, { kind, replicas = 1 }) => sum + (kind === 'DaemonSet' ? nodes.length : replicas), 0);
    const names = workloads.map(({ name }) => name);
    return await becomes(`${names.join(' and ')} are ready`, { look: () => podsOf(...names), wanted: (pods) => pods.length >= wanted });
  };
  /** All of them on this node, and free to go anywhere afterwards. */
  const placeOn = async (node: string, ...workloads: Workload[]) => {
    const others = nodes.filter((name) => name !== node);
    await cluster.kubectl('cordon', ...others);
    const pods = await place(...workloads);
    await cluster.kubectl('uncordon', ...others);
    return pods;
  };
  const remove = (...names: string[]) =>
    cluster
      .kubectl('delete', 'deployments,statefulsets,daemonsets,pods,pdb', '--wait=true', '-l', `app in (${names.join(',')})`, '--force')
      .catch(() => '');
  /** Has node-problem-detector's part: sets or ends a condition. */
  const setCondition = (node: string, status: string) =>
    cluster.kubectl(
      'patch',
      'node',
      node,
      '--subresource=status',
      '--type=strategic',
      '-p',
      JSON.stringify({
        status: {
          conditions: [{ type: 'KernelDeadlock', status, reason: 'Test', message: 'test', lastTransitionTime: new Date().toISOString() }],
        },
      }),
    );
  return { podsOf, nodeIs, whatIsOn, isUntouched, place, placeOn, remove, setCondition };
}
