import { Command } from 'commander';
import { type ArrivalOptions, runMemberChange, withArrivalOptions } from './member-change.ts';

/** `hale etcd member replace`: another member in place of one that is lost. */
export function memberReplaceCommand(): Command {
  return withArrivalOptions(new Command('replace'))
    .description('replace one member: the dead one is removed before its successor is added, as a learner, and promoted')
    .argument('<member>', 'name or id of the one that goes')
    .option('--name <name>', 'name of the one that comes; without it, the same')
    .option('--living', 'also when the one that goes still answers')
    .action(async (member: string, options: ArrivalOptions & { name?: string; living?: true }, command: Command) => {
      const { name, peerUrl: peerUrls, living = false } = options;
      await runMemberChange({ options, command, accepts: { living }, wish: (by) => ({ verb: 'replace', member, name, peerUrls, by }) });
    });
}
