/** The power of nodes, as management controllers switch it: what a front that speaks Redfish, or `hale lab node-power`, stands on. */
import { join } from 'node:path';
import { HaleError } from '../../base/error.ts';
import { packageFolder } from '../../drivers/program.ts';
import { labsFolder } from '../folder.ts';
import type { LabHost } from '../host.ts';
import type { Lab } from '../lab.ts';
import { workerNodes } from './plan.ts';
import { askPowerServer, isInsideHost } from './power-server.ts';
import { NODE_STATES } from './start.ts';
import { type NodeStates, openNodeStates } from './state.ts';

/** `silent`: its management controller does not answer, as in a zone without power. */
export type NodePower = 'on' | 'off' | 'silent';

export function nodeStates({ plan, workers }: Pick<Lab, 'plan' | 'workers'>): NodeStates {
  if (workers !== undefined) return openNodeStates(join(workers.folder, NODE_STATES));
  throw new HaleError({
    code: 'lab_without_nodes',
    kind: 'usage',
    message: `lab ${plan.name} has no nodes`,
    remedy: 'make it anew with nodes: hale lab up --nodes 20',
  });
}

/** Also of a control-plane host, and from inside a host of the lab. Rejects with HaleError `lab_node_unknown`, `lab_without_nodes` and `lab_power_unreachable`. */
export async function nodePower(lab: Lab, node: string): Promise<NodePower> {
  const host = controlPlaneHost(lab, node);
  if (host !== undefined) return isInsideHost() ? askPowerServer(lab.folder, { node, order: 'state' }) : powerOf(host);
  const states = requireWorker(lab, node);
  if (isSilent(states, node)) return 'silent';
  return states.power(node)?.on === false ? 'off' : 'on';
}

/**
 * Cuts the power of a node, or gives it back: a worker starts some seconds later with a new bootID, whatever made it stand still; a control-plane host
 * boots with all its services. Harmless when it is so already. Rejects as `nodePower` does, and with HaleError `lab_power_silent`.
 */
export async function switchNode(lab: Lab, node: string, to: 'on' | 'off'): Promise<void> {
  const host = controlPlaneHost(lab, node);
  if (host !== undefined) return isInsideHost() ? void (await askPowerServer(lab.folder, { node, order: to })) : switchHost(host, to);
  const states = requireWorker(lab, node);
  if (isSilent(states, node)) throw powerSilent(node);
  if (to === 'on') states.switchOn(node);
  else states.switchOff(node);
}

export function powerSilent(node: string): HaleError {
  const message = `the management controller of ${node} does not answer: its zone has no power`;
  return new HaleError({ code: 'lab_power_silent', kind: 'world', message });
}

export function powerOf(host: LabHost): NodePower {
  return host.isOn() ? 'on' : 'off';
}

export function switchHost(host: LabHost, to: 'on' | 'off'): Promise<void> {
  return to === 'on' ? host.boot() : host.powerOff();
}

/** What `heal.power.command` of a lab's cluster.yaml may say; it works in every host. */
export function nodePowerCommand({ plan }: Pick<Lab, 'plan'>): string[] {
  return ['/usr/bin/env', `HALE_LAB_DIR=${labsFolder()}`, join(packageFolder, 'hale'), 'lab', 'node-power', plan.name, '{node}'];
}

function isSilent(states: NodeStates, node: string): boolean {
  return [...states.afflictions().values()].some(({ ailment, nodes }) => ailment === 'unpowered' && nodes.includes(node));
}

function controlPlaneHost(lab: Lab, node: string): LabHost | undefined {
  return lab.controlPlane.find(({ name }) => name === node);
}

function requireWorker(lab: Lab, node: string): NodeStates {
  const { nodes, families } = lab.plan;
  const states = nodeStates(lab);
  if (nodes !== undefined && workerNodes(nodes, families).some(({ name }) => name === node)) return states;
  throw new HaleError({
    code: 'lab_node_unknown',
    kind: 'usage',
    message: `lab ${lab.plan.name} has no node ${JSON.stringify(node)}`,
    remedy: `choose one of node-1 to node-${nodes?.count ?? 0}, or a control-plane host`,
  });
}
