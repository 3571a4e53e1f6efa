import { Command, InvalidArgumentError, Option } from 'commander';
import { HaleError } from '../../base/error.ts';
import { quorumRefusal } from '../../core/etcd/refusal.ts';
import { sizeText } from '../../core/etcd/size-text.ts';
import type { EtcdView } from '../../core/etcd/view.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { compactFully, type CompactReport } from '../../engine/etcd/compact.ts';
import { lookAtEtcd } from '../../engine/etcd/look.ts';
import { pause } from '../../engine/etcd/pause.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import { agreed } from '../agreed.ts';
import { interruptible } from '../interrupt.ts';
import { createProgress, type Progress } from '../progress.ts';
import { wholeNumber } from '../whole-number.ts';
import { type CarefulOptions, withCarefulOptions } from './defrag.ts';
import { exclusively } from './exclusively.ts';
import { etcdAccess, withEtcd } from './options.ts';

type Keep = { revisions: number } | { durationMs: number };

interface CompactCommandOptions extends CarefulOptions {
  revision?: number;
  keep?: Keep;
}

/** Where kube-apiserver notes up to where it compacted (k8s.io/apiserver, storage/etcd3/compact.go). */
const KUBERNETES_KEY = Uint8Array.from('compact_rev_key', (unit) => unit.charCodeAt(0));
const UNITS_MS = { s: 1000, m: 60_000, h: 3_600_000 };

/** `hale etcd compact`: drops history, so that its space can be used again. */
export function etcdCompactCommand(): Command {
  return withCarefulOptions(new Command('compact'))
    .description('drop history of etcd, so that its space can be used for new data')
    .addOption(
      new Option('--revision <n>', 'first revision that is kept; the present one when absent').argParser(wholeNumber).conflicts('keep'),
    )
    .addOption(
      new Option('--keep <history>', 'how many revisions of history stay, or how much time of it, such as 1000 or 10m').argParser(keep),
    )
    .action(async (options: CompactCommandOptions, command: Command) => {
      const access = etcdAccess(options, command);
      await withEtcd({ access, timeoutMs: options.timeout }, (etcd) => compact({ etcd, urls: access.endpoints, options }));
    });
}

function keep(text: string): Keep {
  const [, count, unit] = /^(\d{1,12})([smh]?)$/.exec(text) ?? [];
  if (count === undefined) throw new InvalidArgumentError('expected a number of revisions such as 1000, or a time such as 90s, 10m or 1h.');
  return unit ? { durationMs: Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS] } : { revisions: Number(count) };
}

interface CompactCall {
  etcd: EtcdAdmin;
  urls: readonly string[];
  options: CompactCommandOptions;
}

interface CompactPlan {
  /** The newest there is. */
  presentRevision: number;
  /** First that is kept; null: nothing is old enough. */
  revision: number | null;
  /** Waited before, because etcd notes no times. */
  waitMs: number;
  /** What kube-apiserver compacted to last; null where none does. */
  kubernetesRevision: number | null;
}

async function compact({ etcd, urls, options }: CompactCall): Promise<void> {
  const view = await lookAtEtcd({ etcd, urls });
  const refusal = quorumRefusal(view);
  if (refusal !== null) throw refusal;
  const plan = await planCompaction({ etcd, urls, options }, view);
  process.stderr.write(renderPlan(plan));
  const undone = 'nothing was compacted';
  const goes = plan.revision !== null && !options.dryRun;
  const report =
    goes && (await agreed(`Compact to revision ${plan.revision}?`, { ...(options.yes ? { yes: true } : {}), undone }))
      ? await carryOut({ etcd, urls, options }, plan)
      : null;
  if (options.json) process.stdout.write(`${JSON.stringify({ plan, report }, null, 2)}\n`);
  else if (report !== null) process.stdout.write(renderReport(plan, { before: view, report }));
}

async function planCompaction({ etcd, options }: CompactCall, view: EtcdView): Promise<CompactPlan> {
  const presentRevision = Math.max(...view.members.map(({ status }) => status?.revision ?? 0));
  const kubernetesRevision = await kubernetesCompaction(etcd);
  const wanted = options.revision ?? presentRevision;
  if (wanted > presentRevision) {
    throw new HaleError({
      code: 'etcd_revision_future',
      kind: 'usage',
      message: `revision ${wanted} lies in the future: etcd is at ${presentRevision}`,
      remedy: 'give a revision that exists, or none for the present one',
    });
  }
  const { keep: kept } = options;
  const waitMs = kept !== undefined && 'durationMs' in kept ? kept.durationMs : 0;
  const revision = kept !== undefined && 'revisions' in kept ? presentRevision - kept.revisions : wanted;
  return { presentRevision, revision: revision < 1 ? null : revision, waitMs, kubernetesRevision };
}

async function kubernetesCompaction(etcd: EtcdAdmin): Promise<number | null> {
  const [found] = (await etcd.range(KUBERNETES_KEY)).kvs;
  const revision = Number(found === undefined ? Number.NaN : Buffer.from(found.value).toString());
  return Number.isSafeInteger(revision) ? revision : null;
}

function renderPlan({ presentRevision, revision, waitMs, kubernetesRevision }: CompactPlan): string {
  const kubernetes =
    kubernetesRevision === null
      ? []
      : [
          `A kube-apiserver compacts this etcd by itself every 5 minutes, last up to revision ${kubernetesRevision} of now ${presentRevision}. By hand it is needed only where that fails, or not before the next one.`,
        ];
  if (revision === null) return [...kubernetes, `There are only ${presentRevision} revisions, so nothing goes.`, ''].join('\n');
  return [
    ...kubernetes,
    ...(waitMs > 0
      ? [`etcd notes no times, so the compaction comes ${waitMs / 1000} s from now, to what is the present revision now.`]
      : []),
    `What was before revision ${revision} of now ${presentRevision} is forgotten: watches that are behind it end and have to list anew, lists by pages that were begun before it begin again, and reads of the past before it fail. Present values stay.`,
    '',
  ].join('\n');
}

async function carryOut({ etcd, urls, options }: CompactCall, plan: CompactPlan): Promise<CompactReport> {
  const progress = createProgress();
  try {
    return await interruptible(
      async (signal) => {
        await waitFor(plan.waitMs, { signal, progress });
        return await exclusively({ etcd, what: 'compact', signal, underAlarm: 'work' }, (held) =>
          compactFully({
            etcd,
            clock: boottime,
            urls,
            revision: plan.revision as number,
            signal: held.signal,
            settleMs: options.settle * 1000,
            at: progress.at,
          }),
        );
      },
      { says: 'not waiting any longer; a compaction that was begun goes on' },
    );
  } finally {
    progress.end();
  }
}

async function waitFor(durationMs: number, { signal, progress }: { signal: AbortSignal; progress: Progress }): Promise<void> {
  const until = boottime.now() + durationMs;
  while (boottime.now() < until) {
    signal.throwIfAborted();
    progress.at(`waiting for ${Math.ceil((until - boottime.now()) / 1000)} s more`);
    await pause(boottime, Math.min(200, until - boottime.now()));
  }
}

function renderReport({ revision }: CompactPlan, { before, report }: { before: EtcdView; report: CompactReport }): string {
  if (report.outcome === 'before') return `History before revision ${revision} was gone already.\n`;
  const lines = report.view.members.flatMap(({ id, name, status }) => {
    const earlier = before.members.find((member) => member.id === id)?.status;
    if (status === null || earlier == null) return [];
    return `${name}: ${sizeText(status.dbSizeInUseBytes)} in use, before ${sizeText(earlier.dbSizeInUseBytes)}; the file stays at ${sizeText(status.dbSizeBytes)} until hale etcd defrag`;
  });
  const more = report.isSettled ? [] : ['Members are still freeing space.'];
  return [`Compacted to revision ${revision}.`, ...lines, ...more, ''].join('\n');
}
