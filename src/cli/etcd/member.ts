import { Command } from 'commander';
import { memberAddCommand } from './member-add.ts';
import { memberListCommand } from './member-list.ts';
import { memberPromoteCommand } from './member-promote.ts';
import { memberRemoveCommand } from './member-remove.ts';
import { memberReplaceCommand } from './member-replace.ts';
import { memberUpdateCommand } from './member-update.ts';

/** `hale etcd member`: who belongs to etcd, and changes of that, one member at a time. */
export function etcdMemberCommand(): Command {
  return new Command('member')
    .description('show, add, remove, replace, promote and move members of etcd, one at a time and never at the cost of the quorum')
    .addCommand(memberListCommand())
    .addCommand(memberAddCommand())
    .addCommand(memberRemoveCommand())
    .addCommand(memberReplaceCommand())
    .addCommand(memberPromoteCommand())
    .addCommand(memberUpdateCommand());
}
