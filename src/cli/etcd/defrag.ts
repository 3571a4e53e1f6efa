import { Command, InvalidArgumentError, Option } from 'commander';
import { EXIT_FINDING } from '../../base/error.ts';
import { type DefragPlan, type DefragWorth, planDefrag } from '../../core/etcd/upkeep/defrag.ts';
import { defragRefusal } from '../../core/etcd/upkeep/defrag-gate.ts';
import { PULSE_LIMITS } from '../../core/etcd/upkeep/pulse.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { carryOutDefrag, type DefragReport } from '../../engine/etcd/defrag.ts';
import { lookWhenAwake } from '../../engine/etcd/look-when-awake.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import { agreed } from '../agreed.ts';
import { interruptible } from '../interrupt.ts';
import { createProgress, type Progress } from '../progress.ts';
import { wholeNumber } from '../whole-number.ts';
import { exclusively } from './exclusively.ts';
import { namedMembers } from './named-members.ts';
import { type EtcdOptions, etcdAccess, withEtcd, withEtcdOptions } from './options.ts';
import { renderDefragPlan, renderDefragReport } from './render-defrag.ts';

/** What every command takes that defragments. */
export interface CarefulOptions extends EtcdOptions {
  settle: number;
  yes?: true;
  dryRun?: true;
  json?: true;
}

interface DefragCommandOptions extends CarefulOptions {
  minFreeMib: number;
  minFreePercent: number;
  all?: true;
}

const UNDONE = 'nothing was defragmented';

/** `hale etcd defrag`: gives back the space that the databases of members do not use, one member at a time. */
export function etcdDefragCommand(): Command {
  return withCarefulOptions(new Command('defrag'))
    .description('make the databases of etcd smaller where that is worth it, one member at a time, the leader last')
    .argument('[members...]', 'names or ids; all of them when absent')
    .addOption(new Option('--min-free-mib <n>', 'skip a member of which less would come free').argParser(wholeNumber).default(100))
    .addOption(
      new Option('--min-free-percent <n>', 'skip a member of which a smaller share would come free').argParser(percentage).default(30),
    )
    .option('--all', 'skip none')
    .action(async (names: string[], options: DefragCommandOptions, command: Command) => {
      const access = etcdAccess(options, command);
      const progress = createProgress();
      await withEtcd({ access, timeoutMs: options.timeout }, (etcd) => defrag({ etcd, urls: access.endpoints, names, options, progress }));
    });
}

export function withCarefulOptions(command: Command): Command {
  return withEtcdOptions(command)
    .addOption(
      new Option('--settle <seconds>', 'how long members may take to be well again after each step').argParser(wholeNumber).default(60),
    )
    .option('--yes', 'do not ask')
    .option('--dry-run', 'show the plan and end')
    .option('--json', 'print one JSON document');
}

interface DefragCall {
  etcd: EtcdAdmin;
  urls: readonly string[];
  names: readonly string[];
  options: DefragCommandOptions;
  progress: Progress;
}

async function defrag({ etcd, urls, names, options, progress }: DefragCall): Promise<void> {
  const settleMs = options.settle * 1000;
  const view = await lookWhenAwake({ etcd, urls, clock: boottime, waitMs: settleMs, at: progress.at });
  progress.end();
  const memberIds = namedMembers(view, names).map(({ id }) => id);
  const refusal = defragRefusal(view, { pauseAccepted: options.yes === true || options.dryRun === true });
  if (refusal !== null) throw refusal;
  const plan = planDefrag(view, { memberIds, ...worthOf(options) });
  process.stderr.write(renderDefragPlan(view, plan));
  const report = (await agreedTo(plan, options)) ? await carryOut({ etcd, urls, plan, settleMs, progress }) : null;
  progress.end();
  if (options.json) process.stdout.write(`${JSON.stringify({ plan, report }, null, 2)}\n`);
  else if (report !== null) process.stdout.write(renderDefragReport(report));
  if (report !== null && report.stopped !== null) process.exitCode = EXIT_FINDING;
}

function worthOf({ all, minFreeMib, minFreePercent }: DefragCommandOptions): { worth?: DefragWorth } {
  return all ? {} : { worth: { minBytes: minFreeMib * 1024 ** 2, minShare: minFreePercent / 100 } };
}

async function agreedTo({ targets, stopsWrites }: DefragPlan, { yes, dryRun }: DefragCommandOptions): Promise<boolean> {
  if (targets.length === 0 || dryRun) return false;
  const whom = targets.map(({ name }) => name).join(', ');
  const question = `Defragment ${whom}${targets.length === 1 ? '' : ', one after the other'}${stopsWrites ? ', while etcd serves nothing' : ''}?`;
  return await agreed(question, { ...(yes ? { yes } : {}), undone: UNDONE });
}

async function carryOut(call: {
  etcd: EtcdAdmin;
  urls: readonly string[];
  plan: DefragPlan;
  settleMs: number;
  progress: Progress;
}): Promise<DefragReport> {
  const { etcd, progress } = call;
  return await interruptible(
    (signal) =>
      exclusively({ etcd, what: 'defrag', signal, underAlarm: 'work' }, async (held) => {
        if (!held.exclusive) progress.step('etcd takes no writes, so no lock either: see that nobody else works on it');
        const { signal: ended } = held;
        return await carryOutDefrag({
          ...call,
          signal: ended,
          check: () => held.check(),
          clock: boottime,
          limits: PULSE_LIMITS,
          tell: progress,
        });
      }),
    STOPPING,
  );
}

/** etcd cannot be told to stop a defragmentation. */
export const STOPPING = {
  says: 'nothing more is begun; a defragmentation that is under way cannot be stopped, and is waited for (again: leave at once)',
  leavesWith: 'left; a member that was defragmenting goes on by itself, and answers when it is done. Run the command again for the rest',
};

export function percentage(text: string): number {
  const value = wholeNumber(text);
  if (value > 100) throw new InvalidArgumentError('expected a percentage from 0 to 100.');
  return value;
}
