import { HaleError } from '../../base/error.ts';
import type { Lab } from '../lab.ts';

/** The words that start kubectl on a host of a lab, where what it keeps of an API server goes with the host. HaleError when API servers are stand-ins. */
export function kubectlOf({ plan }: Pick<Lab, 'plan'>): string[] {
  if ('programs' in plan.kubernetes) return [plan.kubernetes.programs.kubectl, '--cache-dir=/run/kubectl'];
  throw new HaleError({
    code: 'lab_fault_needs_kubernetes',
    kind: 'usage',
    message: `lab ${plan.name} has no controllers to strike, because its API servers are stand-ins: ${plan.kubernetes.missing}`,
    remedy: 'get the Kubernetes programs (npm run kubernetes:get) and make the lab anew',
  });
}
