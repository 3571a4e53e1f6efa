import { Command } from 'commander';
import type { ArrivalOptions } from './member-change.ts';
import { runMemberChange, withWaitOptions } from './member-change.ts';

/** `hale etcd member promote`: a learner that is there becomes a voter. */
export function memberPromoteCommand(): Command {
  return withWaitOptions(new Command('promote'))
    .description('promote a learner to a voter, once it runs and is in sync')
    .argument('<member>', 'its name or id')
    .action(async (member: string, options: ArrivalOptions, command: Command) => {
      await runMemberChange({ options, command, accepts: {}, wish: () => ({ verb: 'promote', member }) });
    });
}
