import { Command, Option } from 'commander';
import { EXIT_FINDING } from '../../base/error.ts';
import { nameOf } from '../../core/etcd/member.ts';
import { defragRefusal } from '../../core/etcd/upkeep/defrag-gate.ts';
import { PULSE_LIMITS } from '../../core/etcd/upkeep/pulse.ts';
import { sizeText } from '../../core/etcd/size-text.ts';
import { isAtQuota, type MemberSpace, spaceOf } from '../../core/etcd/upkeep/space.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { lookWhenAwake } from '../../engine/etcd/look-when-awake.ts';
import { type ReclaimReport, reclaimSpace } from '../../engine/etcd/reclaim.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import type { EtcdObserver } from '../../ports/etcd-observer.ts';
import { agreed } from '../agreed.ts';
import { interruptible } from '../interrupt.ts';
import { createProgress, type Progress } from '../progress.ts';
import { table } from '../table.ts';
import { type CarefulOptions, percentage, STOPPING, withCarefulOptions } from './defrag.ts';
import { exclusively } from './exclusively.ts';
import { etcdAccess, withEtcd } from './options.ts';
import { quotasOf } from './quotas.ts';
import { renderDefragged } from './render-defrag.ts';

interface ReclaimOptions extends CarefulOptions {
  maxInUse: number;
}

/** `hale etcd reclaim-space`: the way out of the alarm NOSPACE. */
export function etcdReclaimSpaceCommand(): Command {
  return withCarefulOptions(new Command('reclaim-space'))
    .description('the way out of the alarm NOSPACE: compact, defragment one member at a time, disarm, and prove that writes work again')
    .addOption(
      new Option('--max-in-use <percent>', 'of the quota that may still be in use without history; above, more has to be deleted first')
        .argParser(percentage)
        .default(80),
    )
    .action(async (options: ReclaimOptions, command: Command) => {
      const access = etcdAccess(options, command);
      const progress = createProgress();
      await withEtcd({ access, timeoutMs: options.timeout }, (etcd) => reclaim({ etcd, urls: access.endpoints, options, progress }));
    });
}

interface Call {
  etcd: EtcdAdmin & EtcdObserver;
  urls: readonly string[];
  options: ReclaimOptions;
  progress: Progress;
}

async function reclaim(call: Call): Promise<void> {
  const { etcd, urls, options, progress } = call;
  const view = await lookWhenAwake({ etcd, urls, clock: boottime, waitMs: options.settle * 1000, at: progress.at });
  progress.end();
  const quotas = await quotasOf(etcd, view);
  const spaces = spaceOf(view, quotas);
  const isNeeded = spaces.some((space) => space.hasAlarm || isAtQuota(space) === true);
  const refusal = defragRefusal(view, { pauseAccepted: options.yes === true || options.dryRun === true || !isNeeded });
  if (refusal !== null) throw refusal;
  process.stderr.write(renderState(spaces, { isNeeded }));
  const undone = 'nothing was changed';
  const question = 'Has enough been deleted, and shall these steps be done?';
  const goes = isNeeded && !options.dryRun && (await agreed(question, { ...(options.yes ? { yes: true } : {}), undone }));
  const report = goes ? await carryOut(call, quotas) : null;
  progress.end();
  if (options.json) process.stdout.write(`${JSON.stringify({ members: spaces, report }, null, 2)}\n`);
  else if (report !== null) process.stdout.write(renderReport(report));
  if (report !== null && report.stopped !== null) process.exitCode = EXIT_FINDING;
}

async function carryOut({ etcd, urls, options, progress }: Call, quotas: ReadonlyMap<string, number>): Promise<ReclaimReport> {
  return await interruptible(
    (stop) =>
      exclusively({ etcd, what: 'reclaim-space', signal: stop, underAlarm: 'work' }, async (held) => {
        if (!held.exclusive) progress.step('etcd takes no writes, so no lock either: see that nobody else works on it');
        return await reclaimSpace({
          etcd,
          urls,
          quotas,
          clock: boottime,
          signal: held.signal,
          check: () => held.check(),
          limits: PULSE_LIMITS,
          settleMs: options.settle * 1000,
          maxInUseShare: options.maxInUse / 100,
          tell: progress,
        });
      }),
    STOPPING,
  );
}

function renderState(spaces: readonly MemberSpace[], { isNeeded }: { isNeeded: boolean }): string {
  const rows = spaces.map((space) => [
    nameOf(space),
    sizeText(space.sizeBytes),
    sizeText(space.inUseBytes),
    space.quotaBytes === null ? 'not known' : sizeText(space.quotaBytes),
    space.hasAlarm ? 'NOSPACE: every write of the cluster is refused' : '',
  ]);
  const state = table(['MEMBER', 'SIZE', 'IN USE', 'QUOTA', 'ALARM'], rows);
  if (!isNeeded) return `${state}No member is at its quota: there is nothing to do. hale etcd defrag makes databases smaller.\n`;
  return `${state}What is in use includes history, which goes with step 1. What fills it: hale etcd keys. Delete that first: deletions work also now.
1. Compact to the present revision: watches that are behind end and list anew.
2. Defragment every member, one after the other, the leader last and after its leadership has moved.
3. Disarm the alarm. Before the other two, the next write would raise it again.
4. Write and delete /hale/etcd/reclaim-space, to see that writes work.
`;
}

function renderReport({ compactedTo, defrag, disarmed, proved, stopped }: ReclaimReport): string {
  const lines = [
    ...(compactedTo === null ? [] : [`Compacted to revision ${compactedTo}.`]),
    ...(defrag === null ? [] : [renderDefragged(defrag)]),
    ...(disarmed.length === 0 ? [] : ['The alarm is disarmed.']),
  ];
  if (proved) {
    lines.push('Writes work again.');
    lines.push(
      'So that it does not come back: find who wrote that much (hale etcd keys), and raise --quota-backend-bytes of every member where',
    );
    lines.push('it is below 8 GiB, one restart after the other. hale etcd status shows how full the databases are.');
  }
  if (stopped !== null) lines.push(`Stopped: ${stopped.message}`, remedies[stopped.reason]);
  return `${lines.join('\n')}\n`;
}

const remedies: Record<NonNullable<ReclaimReport['stopped']>['reason'], string> = {
  too_full: 'Delete more (hale etcd keys shows what there is), then run it again; the alarm was not disarmed.',
  defrag: 'When hale etcd status is well again, run it again: what was done is not done twice.',
  still_full: 'Run it again when the members named are smaller; the alarm was not disarmed.',
  interrupted: 'Run it again for the rest.',
  raised_again: 'A member is still at its quota, or something writes faster than space comes free: hale etcd status.',
  failed: 'See hale etcd status, then run it again: what was done is not done twice.',
};
