import { Command } from 'commander';
import { EXIT_FINDING } from '../../base/error.ts';
import { isPending } from '../../core/etcd/members/state.ts';
import { memberText } from '../../core/etcd/members/step.ts';
import { quorumText } from '../../core/etcd/quorum.ts';
import type { EtcdMemberView, EtcdView } from '../../core/etcd/view.ts';
import { lookAtEtcd } from '../../engine/etcd/look.ts';
import { table } from '../table.ts';
import { type EtcdOptions, etcdAccess, withEtcd, withEtcdOptions } from './options.ts';

interface ListOptions extends EtcdOptions {
  json?: true;
}

/** `hale etcd member list`: every member with its role and state, and what may still fail. Needs no quorum. */
export function memberListCommand(): Command {
  return withEtcdOptions(new Command('list'))
    .description('show every member of etcd with its role and state, what may still fail, and a change that is under way')
    .option('--json', 'print one JSON document')
    .action(async (options: ListOptions, command: Command) => {
      const access = etcdAccess(options, command);
      const view = await withEtcd({ access, timeoutMs: options.timeout }, (etcd) => lookAtEtcd({ etcd, urls: access.endpoints }));
      if (view.quorum.canLose < 0 || view.members.some(isPending)) process.exitCode = EXIT_FINDING;
      const pending = view.members.filter(isPending).map(({ id }) => id);
      const document = { quorum: view.quorum, members: view.members.map((member) => ({ ...member, state: stateOf(member) })), pending };
      process.stdout.write(options.json ? `${JSON.stringify(document, null, 2)}\n` : renderMembers(view));
    });
}

/** The table of members, with what is to be done about those that are not voters yet. */
function renderMembers(view: EtcdView): string {
  const rows = view.members.map((member) => [
    member.name || '-',
    member.id,
    member.isLeader ? 'leader' : member.isLearner ? 'learner' : 'voter',
    stateOf(member),
    member.peerUrls.join(','),
    member.clientUrls.join(',') || '-',
    member.problem ?? '',
  ]);
  const head = ['MEMBER', 'ID', 'ROLE', 'STATE', 'PEER URLS', 'CLIENT URLS', 'PROBLEM'];
  return `${quorumText(view.quorum)}\n${table(head, rows)}${view.members.filter(isPending).map(pendingText).join('')}`;
}

function stateOf({ name, status, lag }: EtcdMemberView): string {
  if (name === '') return 'not started';
  if (status === null) return 'no answer';
  if (status.leaderId === undefined) return 'no leader';
  return lag === null || lag === 0 ? 'alive' : `alive, ${lag} behind`;
}

function pendingText(member: EtcdMemberView): string {
  const { id, isLearner, name } = member;
  const finish = isLearner ? `${name === '' ? 'start it, then ' : ''}hale etcd member promote ${id}` : 'start it';
  return `a change is under way: ${memberText(member)} ${isLearner ? 'has no vote yet' : 'has a vote and never started'}; finish it (${finish}) or undo it (hale etcd member remove ${id})\n`;
}
