import { Command } from 'commander';
import { type ChangeOptions, runMemberChange, withChangeOptions } from './member-change.ts';

/** `hale etcd member remove`: one voter fewer, or a member undone that was added. */
export function memberRemoveCommand(): Command {
  return withChangeOptions(new Command('remove'))
    .description('remove one member, alive or dead, or undo an addition; refused where the rest would have no quorum')
    .argument('<member>', 'its name or id')
    .option('--single', 'also where only one voter is left')
    .action(async (member: string, options: ChangeOptions & { single?: true }, command: Command) => {
      const { single = false } = options;
      await runMemberChange({ options, command, accepts: { single }, wish: () => ({ verb: 'remove', member }) });
    });
}
