/** A real control plane with nodes by kwok, and `hale` on it, for the tests of healing and draining. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { findProgram } from '../../src/lab/find-program.ts';
import { kubernetesCache } from '../../src/lab/kubernetes/programs.ts';
import { kwokConfiguration } from '../../src/lab/nodes/kwok.ts';
import { HALE, hale, type HaleRun, untilWithin } from './hale.ts';
import { kubectl, kubernetesProblem, type KubernetesCluster, startKubernetes } from './kubernetes.ts';
import { LoggedProcess } from './logged-process.ts';

const PATIENCE_MS = 120_000;
/** kwok keeps nodes alive that have it. */
const KEPT = 'kept';

export interface HealCluster {
  kubernetes: KubernetesCluster;
  /** kubectl as administrator. */
  kubectl(...args: string[]): Promise<string>;
  apply(...objects: object[]): Promise<void>;
  /** Makes nodes that kwok keeps alive, and waits until they are ready. */
  addNodes(...names: string[]): Promise<void>;
  /** From now on nobody renews the node's Lease, or confirms what becomes of its Pods. */
  abandon(node: string): Promise<void>;
  /** It is there again, after a new boot. */
  revive(node: string): Promise<void>;
  /** Writes a cluster.yaml with this section `heal`, and returns its path. */
  describe(name: string, heal: object): string;
  /** Runs a command of hale with that description. */
  hale(config: string, ...args: string[]): Promise<HaleRun>;
  /** Starts `hale heal run`. */
  run(config: string, ...args: string[]): HealRun;
  close(): Promise<void>;
}

export interface HealRun {
  /** What it logged so far, a line each. */
  lines(): Record<string, unknown>[];
  kill(): Promise<void>;
  terminate(): Promise<void>;
}

/** Why there can be none here, for the title of a skipped suite. */
export function healProblem(): string | undefined {
  const problem = kubernetesProblem('kube-controller-manager', 'kube-scheduler', 'kubectl');
  if (problem !== undefined) return problem;
  return kwok() === undefined ? 'skipped: no kwok: `npm run kubernetes:get -- kwok` gets it' : undefined;
}

function kwok(): string | undefined {
  return findProgram('kwok') ?? findProgram('kwok', [kubernetesCache()]);
}

export async function startHealCluster(): Promise<HealCluster> {
  const kubernetes = await startKubernetes();
  const processes: LoggedProcess[] = [];
  const start = (name: string, argv: readonly string[]): LoggedProcess => {
    const process = new LoggedProcess(argv, join(kubernetes.dir, `${name}.log`));
    processes.push(process);
    process.start();
    return process;
  };
  const { adminConf, dir } = kubernetes;
  const run = (...args: string[]) => kubectl(kubernetes, ...args);
  const apply = async (...objects: object[]) => {
    const file = join(dir, 'objects.json');
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
    await run('apply', '--server-side', '-f', file);
  };
  const access = [`--kubeconfig=${adminConf}`];
  const leaderless = [...access, '--leader-elect=false'];
  kubernetes.start('kube-controller-manager', {
    name: 'controllers',
    arguments: [...leaderless, '--controllers=*,-serviceaccount-token-controller'],
  });
  kubernetes.start('kube-scheduler', { name: 'scheduler', arguments: leaderless });
  const stages = join(dir, 'kwok.yaml');
  writeFileSync(stages, kwokConfiguration({ podSubnet: '10.244.0.0/16' }));
  start('kwok', [
    kwok() as string,
    ...access,
    `--config=${stages}`,
    '--manage-all-nodes=false',
    `--manage-nodes-with-label-selector=${KEPT}=yes`,
  ]);
  let count = 0;
  return {
    kubernetes,
    kubectl: run,
    apply,
    async addNodes(...names) {
      await apply(...names.map(nodeObject));
      await untilWithin(PATIENCE_MS, {
        look: () =>
          run('get', 'nodes', '-o', 'jsonpath={range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status} {end}'),
        wanted: (text) => names.every((name) => text.includes(`${name}=True`)),
        what: 'nodes are ready',
      });
    },
    abandon: async (node) => void (await run('label', 'node', node, `${KEPT}-`)),
    async revive(node) {
      const bootID = `boot-${Date.now()}`;
      await run('patch', 'node', node, '--subresource=status', '--type=merge', '-p', JSON.stringify({ status: { nodeInfo: { bootID } } }));
      await run('label', 'node', node, `${KEPT}=yes`);
    },
    describe(name, heal) {
      const file = join(dir, `${name}.yaml`);
      writeFileSync(file, stringify(description(adminConf, heal)));
      return file;
    },
    hale: (config, ...args) => hale([...args, '--config', config, ...access]),
    run(config, ...args) {
      const name = `heal-${count++}`;
      const process = start(name, [HALE, 'heal', 'run', '--config', config, ...access, ...args]);
      return {
        lines: () => linesOf(join(dir, `${name}.log`)),
        kill: () => process.kill(),
        async terminate() {
          process.signal('SIGTERM');
          await process.ended();
        },
      };
    },
    async close() {
      await Promise.all(processes.map((process) => process.kill()));
      await kubernetes.close();
    },
  };
}

function nodeObject(name: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { [KEPT]: 'yes', 'kubernetes.io/hostname': name } },
    status: { allocatable: { cpu: '8', memory: '32Gi', pods: '110' }, capacity: { cpu: '8', memory: '32Gi', pods: '110' } },
  };
}

/** etcd is external: these control-plane hosts are none of the nodes. */
function description(kubeconfig: string, heal: object): object {
  return {
    apiVersion: 'hale.dev/v1alpha1',
    kind: 'Cluster',
    name: 'test',
    endpoint: { address: '10.99.0.100' },
    controlPlane: { hosts: [{ name: 'cp1', address: '10.99.0.1/24' }] },
    kubernetes: { kubeconfig },
    etcd: { topology: 'external', endpoints: ['https://10.99.0.1:2379'] },
    heal,
  };
}

/** What is no JSON is of Node or of a shell, and shown as it is. */
function linesOf(file: string): Record<string, unknown>[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      try {
        return JSON.parse(line) as Record<string, unknown>;
      } catch {
        return { text: line };
      }
    });
}
