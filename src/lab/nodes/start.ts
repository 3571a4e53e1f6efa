/** Brings the nodes of a lab to life, and waits until they take Pods. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HaleError } from '../../base/error.ts';
import { programFile } from '../../drivers/program.ts';
import { all } from '../command.ts';
import { podSubnetsOf } from '../configuration.ts';
import { readJson, writePlain } from '../folder.ts';
import { lastComplaint, type LabHost } from '../host.ts';
import type { Lab } from '../lab.ts';
import { type Kwok, kwokConfiguration, linkKubeconfig } from './kwok.ts';
import type { KubeletsOptions } from './kubelets/options.ts';
import { startPowerServer } from './power-server.ts';
import { controlPlaneNode, workerNodes } from './plan.ts';

const KUBECONFIG = '/etc/kubernetes/admin.conf';
const KWOK_CONFIG = '/etc/hale/kwok.yaml';
const KUBELETS = '/etc/hale/kubelets.json';
const LINK_KUBECONFIG = '/etc/hale/kwok.kubeconfig';
const LINK_PORT = 8001;
const REPORT = '/run/nodes.json';
/** Below a host's folder. */
export const NODE_STATES = 'var/lib/hale/nodes';
/** Not before there is something to talk to: kwok would wait longer with every attempt. */
const WHEN_LISTENING = 'until [ -e "$0" ]; do sleep 0.05; done; exec "$@"';
const TIMEOUT_MS = 600_000;
const POLL_MS = 100;

/** The daemons that stand in for kubelets on every host that has nodes: kwok, and what lies between it and the API. */
export const KUBELET_DAEMONS = ['kwok', 'kubelets'] as const;

export async function startNodes(lab: Lab, signal: AbortSignal | undefined): Promise<void> {
  const { nodes, secrets, families } = lab.plan;
  const { workers, controlPlane } = lab;
  if (nodes === undefined || workers === undefined) return;
  const seed = secrets.etcdToken;
  await all([
    startKubelets(lab, { host: workers, kwok: nodes.kwok, nodes: workerNodes(nodes, families), seed }),
    ...controlPlane.map((host) => startKubelets(lab, { host, kwok: nodes.kwok, nodes: [controlPlaneNode(host)], seed: null })),
  ]);
  await startPowerServer(lab, signal);
  await awaitNodes(lab, { count: nodes.count + controlPlane.length, workers, signal });
}

interface KubeletsWish extends Pick<KubeletsOptions, 'nodes' | 'seed'> {
  host: LabHost;
  kwok: Kwok;
}

/** A host that is a node itself has a kwok that looks at the Pods of that node alone. */
async function startKubelets(lab: Lab, { host, kwok, nodes, seed }: KubeletsWish): Promise<void> {
  const options: KubeletsOptions = {
    kubeconfig: KUBECONFIG,
    port: LINK_PORT,
    nodes,
    versions: { kwok: kwok.version },
    seed,
    statesFolder: `/${NODE_STATES}`,
    reportFile: REPORT,
  };
  const files = {
    [KUBELETS]: JSON.stringify(options),
    [KWOK_CONFIG]: kwokConfiguration({ podSubnet: podSubnetsOf(lab.plan)[0] as string }),
    [LINK_KUBECONFIG]: linkKubeconfig(LINK_PORT),
  };
  for (const [path, text] of Object.entries(files)) writePlain(join(host.folder, path), { text, mode: 0o600 });
  await host.spawn('kubelets', [process.execPath, programFile('lab/nodes/kubelets/main'), KUBELETS], { atBoot: true });
  const whose = host.name === nodes[0]?.name ? `--manage-single-node=${host.name}` : '--manage-all-nodes=true';
  const argv = [kwok.path, `--config=${KWOK_CONFIG}`, `--kubeconfig=${LINK_KUBECONFIG}`, whose, '--v=WARN'];
  await host.spawn('kwok', ['sh', '-c', WHEN_LISTENING, REPORT, ...argv], { atBoot: true });
}

/** Names of nodes that are ready and take Pods, as the hosts of their kubelets saw them last; empty for a lab without. */
export function nodesInService({ workers, controlPlane }: Pick<Lab, 'workers' | 'controlPlane'>): string[] {
  const hosts = workers === undefined ? [] : [workers, ...controlPlane].filter((host) => host.isOn());
  return hosts.flatMap((host) => readJson<string[]>(join(host.folder, REPORT)) ?? []);
}

async function awaitNodes(lab: Lab, options: { count: number; workers: LabHost; signal: AbortSignal | undefined }): Promise<void> {
  const { count, workers, signal } = options;
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    signal?.throwIfAborted();
    const there = nodesInService(lab).length;
    if (there >= count) return;
    const dead = ['kubelets', 'kwok'].find((name) => !workers.running(name));
    if (dead !== undefined) throw notReady(`${dead} ended on ${workers.name}: ${lastComplaint(workers, dead)}`);
    if (performance.now() > deadline) throw notReady(`${there} of ${count} are ready after ${TIMEOUT_MS / 1000} s`);
    await sleep(POLL_MS);
  }
}

function notReady(reason: string): HaleError {
  return new HaleError({ code: 'lab_nodes_not_ready', kind: 'world', message: `the nodes did not become ready: ${reason}` });
}
