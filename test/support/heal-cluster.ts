/** A real control plane with nodes by kwok, and `hale` on it, for the tests of healing and draining. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { kwokPath } from '../../src/lab/nodes/kwok.ts';
import { HALE, hale, type HaleRun } from './hale.ts';
import { type HealNodes, startHealNodes } from './heal-nodes.ts';
import { kubectl, kubernetesProblem, type KubernetesCluster, startKubernetes } from './kubernetes.ts';
import { LoggedProcess } from './logged-process.ts';

export interface HealCluster {
  kubernetes: KubernetesCluster;
  /** kubectl as administrator. */
  kubectl(...args: string[]): Promise<string>;
  apply(...objects: object[]): Promise<void>;
  nodes: Pick<HealNodes, 'abandon' | 'revive'>;
  /** Writes a cluster.yaml with this section `heal`, and returns its path. */
  describe(name: string, heal: object): string;
  /** Runs a command of hale with that description. */
  hale(config: string, ...args: string[]): Promise<HaleRun>;
  /** Starts `hale heal run`. */
  run(config: string, ...args: string[]): HealRun;
  /** Ends those that still run: one that a failed test left behind would act in the next. */
  endRuns(): Promise<void>;
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
  return kwokPath() === undefined ? 'skipped: no kwok: `npm run kubernetes:get -- kwok` gets it' : undefined;
}

/** Returns when the nodes of these names are ready. */
export async function startHealCluster(...names: string[]): Promise<HealCluster> {
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
  const nodes = await apply(...names.map(nodeObject))
    .then(() => startHealNodes(kubernetes, { names, kwok: kwokPath() as string }))
    .catch(async (error: unknown) => {
      await kubernetes.close();
      throw error;
    });
  const runs: LoggedProcess[] = [];
  return {
    kubernetes,
    kubectl: run,
    apply,
    nodes,
    describe(name, heal) {
      const file = join(dir, `${name}.yaml`);
      writeFileSync(file, stringify(description(adminConf, heal)));
      return file;
    },
    hale: (config, ...args) => hale([...args, '--config', config, ...access]),
    run(config, ...args) {
      const name = `heal-${runs.length}`;
      const process = start(name, [HALE, 'heal', 'run', '--config', config, ...access, ...args]);
      runs.push(process);
      return {
        lines: () => linesOf(join(dir, `${name}.log`)),
        kill: () => process.kill(),
        async terminate() {
          process.signal('SIGTERM');
          await process.ended();
        },
      };
    },
    endRuns: async () => void (await Promise.all(runs.map((process) => process.kill()))),
    async close() {
      await nodes.close();
      await Promise.all(processes.map((process) => process.kill()));
      await kubernetes.close();
    },
  };
}

function nodeObject(name: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name } },
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
