import { STAND_IN } from '../../src/lab/kubernetes/programs.ts';
import { createLab, type Lab, type LabOptions } from '../../src/lab/lab.ts';
import { agentStatus, awaitSteady } from '../../src/lab/drill/agents.ts';
import { canRunLab } from '../../src/lab/privileges.ts';
import type { AgentStatus } from '../../src/ports/control.ts';

/** Why the lab's tests are skipped here, or undefined. */
export const labImpossible: string | undefined = await whyNot();

async function whyNot(): Promise<string | undefined> {
  if (process.geteuid?.() !== 0) return 'skipped: the tests of the lab run as root, or inside `unshare -Urm`';
  const capability = await canRunLab();
  return capability.ok ? undefined : `skipped: ${capability.reason}`;
}

/** A lab with everything in it, at rest; its API servers are stand-ins unless something else is asked for. */
export async function restingLab(options: LabOptions): Promise<Lab> {
  const lab = await createLab({ kubernetes: STAND_IN, ...options });
  try {
    await awaitSteady(lab, { timeoutMs: 30_000 });
    return lab;
  } catch (error) {
    await lab.down();
    throw error;
  }
}

export async function statuses(lab: Lab): Promise<(AgentStatus | undefined)[]> {
  return Promise.all(lab.controlPlane.map((host) => agentStatus(host)));
}

/** Names of the hosts that have the address on an interface, asked of their kernels and not of the agents. */
export async function hostsWithAddress(lab: Lab): Promise<string[]> {
  const found = await Promise.all(
    lab.controlPlane.map(async (host) => {
      const { stdout } = host.isOn() ? await host.exec(['ip', '-brief', 'address', 'show', 'dev', 'eth0']) : { stdout: '' };
      return lab.plan.endpoint.addresses.some((address) => stdout.includes(` ${address}/`)) ? [host.name] : [];
    }),
  );
  return found.flat();
}
