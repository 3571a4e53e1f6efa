import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HaleError } from '../../base/error.ts';
import { askStatus } from '../../drivers/control/client.ts';
import type { AgentStatus } from '../../ports/control.ts';
import type { LabHost } from '../host.ts';
import type { Lab } from '../lab.ts';
import { isRouted } from '../router.ts';
import { AGENT_SOCKET } from '../services.ts';

const LOOK_AGAIN_MS = 50;

/** The agent's own words; undefined when it does not answer. */
export function agentStatus(host: LabHost): Promise<AgentStatus | undefined> {
  return askStatus(join(host.folder, AGENT_SOCKET)).catch(() => undefined);
}

/** Waits until one agent holds the address and every agent sees every member and every backend ready; returns the holder. */
export async function awaitSteady(lab: Lab, options: { timeoutMs: number }): Promise<LabHost> {
  const until = performance.now() + options.timeoutMs;
  for (;;) {
    const statuses = await Promise.all(lab.controlPlane.map((host) => agentStatus(host)));
    const reason = whyUnsteady(lab, statuses);
    const holder = lab.controlPlane[statuses.findIndex((status) => status?.role === 'holder')];
    if (reason === undefined && holder !== undefined) return holder;
    if (performance.now() > until) {
      throw new HaleError({
        code: 'lab_not_steady',
        kind: 'world',
        message: `lab ${lab.plan.name} did not come to rest within ${options.timeoutMs / 1000} s: ${reason}`,
        remedy: `look at it with: hale lab exec --name ${lab.plan.name} cp1 hale status`,
      });
    }
    await sleep(LOOK_AGAIN_MS);
  }
}

function whyUnsteady(lab: Lab, statuses: readonly (AgentStatus | undefined)[]): string | undefined {
  for (const [i, status] of statuses.entries()) {
    const name = lab.controlPlane[i]?.name;
    if (status === undefined) return `the agent of ${name} does not answer`;
    if (!status.guarded) return `no guardian stands by on ${name}`;
    // A holder that loses another agent meanwhile would have no majority.
    if (status.silentMs > 0) return `${name} has just started and promises nothing for another ${status.silentMs} ms`;
    const unheard = status.members.find((member) => !member.alive);
    if (unheard !== undefined) return `${name} does not hear ${unheard.name}`;
    const down = status.backends.find((backend) => backend.state !== 'ready');
    if (down !== undefined) return `${name} finds the API server of ${down.name} ${down.state}: ${down.reason}`;
  }
  const holders = statuses.filter((status) => status?.role === 'holder').length;
  // With routes every host has the address.
  return holders === (isRouted(lab.plan) ? statuses.length : 1) ? undefined : `${holders} agents say that they hold the address`;
}
