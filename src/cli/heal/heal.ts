import { Command } from 'commander';

/** Each command is a file beside this one, loaded when asked for. */
const commands: Record<string, () => Promise<Command>> = {
  run: async () => (await import('./run.ts')).healRunCommand(),
  plan: async () => (await import('./plan.ts')).healPlanCommand(),
  pause: async () => (await import('./pause.ts')).healPauseCommand(),
  resume: async () => (await import('./pause.ts')).healResumeCommand(),
  manifests: async () => (await import('./manifests.ts')).healManifestsCommand(),
};

/** `hale heal`: nodes that heal themselves; with the command called `only`, or with all of them. */
export async function healCommand(only?: string): Promise<Command> {
  const group = new Command('heal').description('heal nodes: notice which are unhealthy, and bring them back within limits');
  const wanted = only !== undefined && Object.hasOwn(commands, only) ? commands[only] : undefined;
  for (const load of wanted === undefined ? Object.values(commands) : [wanted]) group.addCommand(await load());
  return group;
}
