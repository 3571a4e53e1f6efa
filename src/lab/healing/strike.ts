import { setTimeout as sleep } from 'node:timers/promises';
import type { HealingFault } from '../../core/drill/healing/scenario.ts';
import { HaleError } from '../../base/error.ts';
import type { LabHost } from '../host.ts';
import type { Lab } from '../lab.ts';
import { kubectl, kubectlOrFail } from '../kubernetes/kubectl.ts';
import { activeController, killController, startController } from './controllers.ts';

/** What a drill did, and how it is undone. */
export interface Strike {
  struck: readonly string[];
  /** Whether what ran there is lost: the hosts are dead, or will be switched off. */
  isOff: boolean;
  faultAtMs: number;
  undo(): Promise<void>;
}

/** How long after the planned undo the timer on the host would undo by itself, should this process be gone. */
const TIMER_SPARE_MS = 5000;
/** A drain has begun, and its Pods take longer than this to end. */
const MID_DRAIN_MS = 3000;
const POLL_MS = 250;
const BEGIN_TIMEOUT_MS = 60_000;
/** The other control-plane host is well again before the first one is back. */
const SECOND_SICK_MS = 38_000;

export interface StrikePlan {
  fault: HealingFault;
  undoAfterMs: number;
  /** A node with a Pod of this application is struck. */
  app: { namespace: string; name: string };
}

export async function strike(lab: Lab, plan: StrikePlan): Promise<Strike> {
  const { fault, undoAfterMs } = plan;
  const timer = { undoAfterMs: undoAfterMs + TIMER_SPARE_MS };
  switch (fault) {
    case 'node-dead':
    case 'node-flapping':
      return injected(await lab.inject(fault, await nodeOf(lab, plan.app), timer));
    case 'zone-dead':
      return injected(await lab.inject(fault, lab.plan.nodes?.zones[0] ?? '', timer));
    case 'half-the-nodes-unreachable':
      return injected(await lab.inject(fault, 'nodes', timer));
    case 'sick-behind-budget':
      return await sicken(lab, await nodeOf(lab, plan.app));
    case 'controller-killed':
      return await killMidDrain(lab, await nodeOf(lab, plan.app));
    case 'control-plane-off':
      return await controlPlaneOff(lab, timer);
    case 'etcd-stopped':
      return injected(await lab.inject('etcd-down', (lab.controlPlane[0] as LabHost).name, timer), []);
    default:
      return fault satisfies never;
  }
}

function injected({ record, undo }: Awaited<ReturnType<Lab['inject']>>, struck: readonly string[] = record.struck): Strike {
  return { struck, isOff: true, faultAtMs: record.injectedAtMs, undo };
}

/** The node reports a kernel deadlock, as node-problem-detector would have it; it runs on. */
async function sicken(lab: Lab, node: string): Promise<Strike> {
  const faultAtMs = lab.now();
  await setDeadlock(lab, node, 'True');
  return { struck: [node], isOff: false, faultAtMs, undo: () => setDeadlock(lab, node, 'False') };
}

async function killMidDrain(lab: Lab, node: string): Promise<Strike> {
  const sick = await sicken(lab, node);
  await untilDraining(lab, node);
  await sleep(MID_DRAIN_MS);
  const host = await activeController(lab);
  await killController(host);
  return {
    ...sick,
    undo: async () => {
      await sick.undo();
      await startController(host);
    },
  };
}

/** Until the remedy of the node is at its second step, the drain. */
async function untilDraining(lab: Lab, node: string): Promise<void> {
  const deadline = performance.now() + BEGIN_TIMEOUT_MS;
  for (;;) {
    const { stdout } = await kubectl(lab, ['get', 'node', node, '-o', 'jsonpath={.metadata.annotations}']);
    if (stdout.includes('\\"step\\":1')) return;
    if (performance.now() > deadline)
      throw new HaleError({ code: 'lab_no_drain', kind: 'world', message: `the drain of ${node} in lab ${lab.plan.name} did not begin` });
    await sleep(POLL_MS);
  }
}

/** One control-plane host is off, another one reports a kernel deadlock for a while; neither is that of the active controller. */
async function controlPlaneOff(lab: Lab, timer: { undoAfterMs: number }): Promise<Strike> {
  const active = await activeController(lab);
  const [dead, sick] = lab.controlPlane.filter(({ name }) => name !== active.name) as [LabHost, LabHost];
  const { record, undo } = await lab.inject('crash', dead.name, timer);
  await setDeadlock(lab, sick.name, 'True');
  await sleep(SECOND_SICK_MS);
  await setDeadlock(lab, sick.name, 'False');
  return {
    struck: [dead.name],
    isOff: true,
    faultAtMs: record.injectedAtMs,
    undo: async () => {
      await undo();
      await startController(dead);
    },
  };
}

/** Of the nodes with a Pod of the application that with the most Pods of its namespace, so that others are struck as well. */
async function nodeOf(lab: Lab, { namespace, name }: StrikePlan['app']): Promise<string> {
  const path = 'jsonpath={range .items[*]}{.spec.nodeName} {.metadata.labels.app}{"\\n"}{end}';
  const { stdout } = await kubectl(lab, ['get', 'pods', '-n', namespace, '-o', path]);
  const pods = stdout.split('\n').map((line) => line.split(' '));
  const nodes = new Set(pods.filter(([, app]) => app === name).map(([node = '']) => node));
  const countOn = (node: string): number => pods.filter(([there]) => there === node).length;
  const [fullest] = [...nodes].toSorted((a, b) => countOn(b) - countOn(a));
  if (fullest !== undefined) return fullest;
  throw new HaleError({
    code: 'lab_no_pod',
    kind: 'world',
    message: `no Pod of ${namespace}/${name} is on a node of lab ${lab.plan.name}`,
  });
}

async function setDeadlock(lab: Lab, node: string, status: 'True' | 'False'): Promise<void> {
  const condition = {
    type: 'KernelDeadlock',
    status,
    reason: 'Drill',
    message: 'set by a drill',
    lastTransitionTime: new Date().toISOString(),
  };
  const patch = JSON.stringify({ status: { conditions: [condition] } });
  await kubectlOrFail(lab, ['patch', 'node', node, '--subresource=status', '--type=strategic', '-p', patch]);
}
