import { HaleError } from '../../base/error.ts';
import type { CommandResult } from '../command.ts';
import type { Lab } from '../lab.ts';
import { kubectlArgv } from './programs.ts';

/** As administrator, in the client's host; `input` is given to it. Whatever it answers: an API that is broken on purpose may refuse. */
export async function kubectl(lab: Lab, args: readonly string[], input?: string): Promise<CommandResult> {
  const { kubernetes, name } = lab.plan;
  if (!('programs' in kubernetes)) throw failure(name, { args, problem: 'its API servers are stand-ins' });
  const argv = [...kubectlArgv(kubernetes), '--kubeconfig=/etc/kubernetes/admin.conf', ...args];
  return await lab.client.exec(argv, input === undefined ? {} : { input });
}

/** What it printed. Rejects with HaleError `lab_kubectl_failed`. */
export async function kubectlOrFail(lab: Lab, args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await kubectl(lab, args, input);
  if (code === 0) return stdout;
  throw failure(lab.plan.name, { args, problem: stderr.trim() });
}

function failure(lab: string, { args, problem }: { args: readonly string[]; problem: string }): HaleError {
  return new HaleError({
    code: 'lab_kubectl_failed',
    kind: 'world',
    message: `kubectl ${args.slice(0, 2).join(' ')} in lab ${lab}: ${problem}`,
  });
}
