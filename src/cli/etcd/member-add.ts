import { Command } from 'commander';
import { type ArrivalOptions, runMemberChange, withArrivalOptions } from './member-change.ts';

/** `hale etcd member add`: one voter more, a learner first. */
export function memberAddCommand(): Command {
  return withArrivalOptions(new Command('add'))
    .description('add one member: as a learner, which is promoted to a voter once it runs and is in sync')
    .argument('<name>', 'name of the new member, as its etcd will be started with (--name)')
    .action(async (name: string, options: ArrivalOptions, command: Command) => {
      await runMemberChange({ options, command, accepts: {}, wish: (by) => ({ verb: 'add', name, peerUrls: options.peerUrl, by }) });
    });
}
