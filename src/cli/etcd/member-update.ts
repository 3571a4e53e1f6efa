import { Command, Option } from 'commander';
import { arithmeticText, memberText } from '../../core/etcd/members/step.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { type PlannedPeerUrls, readPeerUrlPlan, updatePeerUrls } from '../../engine/etcd/member-update.ts';
import { agreed } from '../agreed.ts';
import { interruptible } from '../interrupt.ts';
import { exclusively } from './exclusively.ts';
import { type ChangeOptions, peerUrls, withChangeOptions } from './member-change.ts';
import { etcdAccess, withEtcd } from './options.ts';

interface UpdateOptions extends ChangeOptions {
  peerUrl: string[];
}

/** `hale etcd member update`: other peer URLs for a member that stays who it is. */
export function memberUpdateCommand(): Command {
  return withChangeOptions(new Command('update'))
    .description('change where the other members reach a member: its peer URLs, at which its etcd must listen already')
    .argument('<member>', 'its name or id')
    .addOption(
      new Option('--peer-url <urls>', 'such as https://10.0.0.14:2380; separated by commas').argParser(peerUrls).makeOptionMandatory(),
    )
    .action(async (member: string, options: UpdateOptions, command: Command) => {
      const access = etcdAccess(options, command);
      await withEtcd({ access, timeoutMs: options.timeout }, async (etcd) => {
        const asked = { etcd, urls: access.endpoints, clock: boottime, member, peerUrls: options.peerUrl };
        const plan = await readPeerUrlPlan(asked);
        (options.json ? process.stderr : process.stdout).write(render(plan));
        const goes = !plan.isDone && !options.dryRun && (await agreed('Change it?', { ...options, undone: 'no member was changed' }));
        if (!goes) return tell(options, { before: plan, after: plan });
        const after = await interruptible((signal) =>
          exclusively({ etcd, what: `member update ${plan.member.name}`, signal, underAlarm: 'work' }, (held) =>
            updatePeerUrls({ ...asked, member: plan.member.id, held }),
          ),
        );
        tell(options, { before: plan, after });
      });
    });
}

function render({ member, peerUrls: to, isDone, view }: PlannedPeerUrls): string {
  if (isDone) return `${memberText(member)} is at ${to.join(', ')} already\n`;
  return `${memberText(member)} goes from ${member.peerUrls.join(', ')} to ${to.join(', ')}; ${arithmeticText(view.quorum)}\n`;
}

function tell({ json }: UpdateOptions, { before, after }: { before: PlannedPeerUrls; after: PlannedPeerUrls }): void {
  const { member, peerUrls: to } = before;
  const document = {
    state: after.isDone ? 'done' : 'planned',
    member: { id: member.id, name: member.name },
    from: member.peerUrls,
    to,
    quorum: after.view.quorum,
  };
  if (json) process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  else if (after !== before) process.stdout.write(`done: ${arithmeticText(after.view.quorum)}\n`);
}
