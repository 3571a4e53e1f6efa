import { HaleError } from '../base/error.ts';
import { askAnyStatus } from '../drivers/control/client.ts';
import { type AgentStatus, CONTROL_SOCKET, type NodeStatus } from '../ports/control.ts';
import { isNode } from './render-status.ts';

/** What the agent of this machine says of itself. Throws HaleError `agent_starting`, and those of `askAnyStatus`. */
export async function askAgent(): Promise<AgentStatus | NodeStatus> {
  const status = await askAnyStatus(CONTROL_SOCKET);
  if (status !== undefined) return status;
  throw new HaleError({
    code: 'agent_starting',
    kind: 'world',
    message: 'the agent has just started and has no status yet',
    remedy: 'ask again',
  });
}

/** A part of that which only some descriptions of a cluster have: `needs` is what they say. Throws HaleError `routing_unused` too. */
export async function askRouting<P extends 'vrrp' | 'routes'>(
  name: P,
  needs: string,
): Promise<{ agent: AgentStatus; part: NonNullable<AgentStatus[P]> }> {
  const agent = await askAgent();
  const part = isNode(agent) ? null : agent[name];
  if (!isNode(agent) && part !== null) return { agent, part: part as NonNullable<AgentStatus[P]> };
  throw new HaleError({
    code: 'routing_unused',
    kind: 'usage',
    message: `the agent of this machine runs without ${needs}`,
    remedy: `See hale status for who answers for the address; or set ${needs} in cluster.yaml of every control-plane host and restart the agents.`,
  });
}
