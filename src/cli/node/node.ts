import { Command } from 'commander';

/** Each command is a file beside this one, loaded when asked for. */
const commands: Record<string, () => Promise<Command>> = {
  drain: async () => (await import('./drain.ts')).nodeDrainCommand(),
  cordon: async () => (await import('./cordon.ts')).nodeCordonCommand(),
  uncordon: async () => (await import('./cordon.ts')).nodeUncordonCommand(),
  reboot: async () => (await import('./reboot.ts')).nodeRebootCommand(),
  why: async () => (await import('./why.ts')).nodeWhyCommand(),
};

/** `hale node`: what healing does, by hand; with the command called `only`, or with all of them. */
export async function nodeCommand(only?: string): Promise<Command> {
  const group = new Command('node').description('drain, cordon and reboot nodes, and see what blocks a drain');
  const wanted = only !== undefined && Object.hasOwn(commands, only) ? commands[only] : undefined;
  for (const load of wanted === undefined ? Object.values(commands) : [wanted]) group.addCommand(await load());
  return group;
}
