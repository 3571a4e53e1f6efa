import { Command } from 'commander';
import { nameOf } from '../../core/etcd/member.ts';
import { planLeaderMove } from '../../core/etcd/upkeep/leader-move.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { lookAtEtcd } from '../../engine/etcd/look.ts';
import { moveLeader } from '../../engine/etcd/move-leader.ts';
import { agreed } from '../agreed.ts';
import { interruptible } from '../interrupt.ts';
import { exclusively } from './exclusively.ts';
import { namedMembers } from './named-members.ts';
import { type EtcdOptions, etcdAccess, withEtcd, withEtcdOptions } from './options.ts';

interface MoveOptions extends EtcdOptions {
  yes?: true;
  dryRun?: true;
  json?: true;
}

interface MoveDocument {
  from: string;
  to: string;
  /** False with `--dry-run`, and where nobody agreed. */
  moved: boolean;
  /** From the request until every member that answers follows the new leader. */
  tookMs: number | null;
}

/** `hale etcd move-leader`: leadership to the freshest voter, or to the one that is named. */
export function etcdMoveLeaderCommand(): Command {
  return withEtcdOptions(new Command('move-leader'))
    .description('move the leadership of etcd to another member')
    .argument('[member]', 'its name or id; the freshest voter when absent')
    .option('--yes', 'do not ask')
    .option('--dry-run', 'show the plan and end')
    .option('--json', 'print one JSON document')
    .action(async (name: string | undefined, options: MoveOptions, command: Command) => {
      const access = etcdAccess(options, command);
      const document = await withEtcd({ access, timeoutMs: options.timeout }, async (etcd) => {
        const look = { etcd, urls: access.endpoints, clock: boottime };
        const view = await lookAtEtcd(look);
        const [wanted] = name === undefined ? [] : namedMembers(view, [name]);
        const plan = planLeaderMove(view, wanted?.id);
        if (plan.kind === 'refused') throw plan.refusal;
        if (plan.kind === 'none') return { from: nameOf(plan.leader), to: nameOf(plan.leader), moved: false, tookMs: null };
        const found = { from: nameOf(plan.from), to: nameOf(plan.to) };
        process.stderr.write(`Leadership goes from ${found.from} to ${found.to}, which is ${plan.to.lag} entries behind.\n`);
        const undone = 'leadership stays where it is';
        const goes = !options.dryRun && (await agreed('Move it?', { ...(options.yes ? { yes: true } : {}), undone }));
        if (!goes) return { ...found, moved: false, tookMs: null };
        const tookMs = await interruptible((signal) =>
          exclusively({ etcd, what: 'move-leader', signal, underAlarm: 'work' }, () => moveLeader({ ...look, ...plan })),
        );
        return { ...found, moved: true, tookMs };
      });
      process.stdout.write(options.json ? `${JSON.stringify(document, null, 2)}\n` : render(document));
    });
}

function render({ from, to, moved, tookMs }: MoveDocument): string {
  if (moved) return `${to} leads; it took ${Math.round(tookMs ?? 0)} ms.\n`;
  return from === to ? `${to} leads already.\n` : '';
}
