import { Argument, Command } from 'commander';
import { EXIT_FINDING } from '../../base/error.ts';
import { alarmText } from '../../core/etcd/alarms.ts';
import { nameOfId } from '../../core/etcd/member.ts';
import { corruptRefusal } from '../../core/etcd/upkeep/disarm.ts';
import type { HaleError } from '../../base/error.ts';
import { noSpaceRefusal, spaceOf } from '../../core/etcd/upkeep/space.ts';
import type { EtcdView } from '../../core/etcd/view.ts';
import type { EtcdAccess } from '../../drivers/etcd/access.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { compareHashes } from '../../engine/etcd/hashes.ts';
import { lookAtEtcd } from '../../engine/etcd/look.ts';
import type { EtcdAdmin, EtcdRaisedAlarm } from '../../ports/etcd-admin.ts';
import type { EtcdObserver } from '../../ports/etcd-observer.ts';
import { agreed } from '../agreed.ts';
import { type EtcdOptions, etcdAccess, withEtcd, withEtcdOptions } from './options.ts';
import { quotasOf } from './quotas.ts';

interface AlarmOptions extends EtcdOptions {
  json?: true;
}

interface DisarmOptions extends AlarmOptions {
  force?: true;
  yes?: true;
  dryRun?: true;
}

type Client = EtcdAdmin & EtcdObserver;

/** A hash of 8 GiB takes this long on a slow disk. */
const HASH_MS = 120_000;

/** `hale etcd alarm`: what etcd has raised an alarm about, and the end of it. */
export function etcdAlarmCommand(): Command {
  return new Command('alarm')
    .description("etcd's alarms, which last until somebody disarms them")
    .addCommand(alarmListCommand())
    .addCommand(alarmDisarmCommand());
}

function alarmListCommand(): Command {
  return withEtcdOptions(new Command('list'))
    .description('show the alarms; exits with 1 when there is one')
    .option('--json', 'print one JSON document')
    .action(async (options: AlarmOptions, command: Command) => {
      const access = etcdAccess(options, command);
      const { view, alarms } = await withEtcd({ access, timeoutMs: options.timeout }, (etcd) => readAlarms(etcd, access.endpoints));
      if (alarms.length > 0) process.exitCode = EXIT_FINDING;
      if (options.json) process.stdout.write(`${JSON.stringify({ alarms: alarms.map((alarm) => named(alarm, view)) }, null, 2)}\n`);
      else process.stdout.write(alarms.length === 0 ? 'no alarm\n' : alarms.map((alarm) => `${describe(alarm, view)}\n`).join(''));
    });
}

function alarmDisarmCommand(): Command {
  return withEtcdOptions(new Command('disarm'))
    .description('end alarms whose cause is gone')
    .addArgument(new Argument('[alarm]', 'the one to end; all of them when absent').choices(['NOSPACE', 'CORRUPT']))
    .option('--force', 'also where the cause is still there')
    .option('--yes', 'do not ask')
    .option('--dry-run', 'show the plan and end')
    .option('--json', 'print one JSON document')
    .action(async (wanted: string | undefined, options: DisarmOptions, command: Command) => {
      const access = etcdAccess(options, command);
      const disarmed = await withEtcd({ access, timeoutMs: options.timeout }, async (etcd) => {
        const { view, alarms } = await readAlarms(etcd, access.endpoints);
        const chosen = alarms.filter(({ alarm }) => wanted === undefined || alarm === wanted);
        if (chosen.length === 0) return [];
        await refuseWhatLasts(etcd, { access, view, chosen, force: options.force });
        process.stderr.write(chosen.map((alarm) => `${describe(alarm, view)}\n`).join(''));
        const undone = 'no alarm was disarmed';
        const goes = !options.dryRun && (await agreed('Disarm?', { ...(options.yes ? { yes: true } : {}), undone }));
        if (!goes) return [];
        for (const alarm of chosen) await etcd.disarm(alarm);
        return chosen.map((alarm) => named(alarm, view));
      });
      if (options.json) process.stdout.write(`${JSON.stringify({ disarmed }, null, 2)}\n`);
      else
        process.stdout.write(
          disarmed.length === 0
            ? 'nothing was disarmed\n'
            : disarmed.map(({ alarm, name }) => `${alarm} of ${name} is disarmed\n`).join(''),
        );
    });
}

interface Read {
  view: EtcdView;
  alarms: EtcdRaisedAlarm[];
}

async function readAlarms(etcd: EtcdAdmin, urls: readonly string[]): Promise<Read> {
  const [view, alarms] = await Promise.all([lookAtEtcd({ etcd, urls }), etcd.alarms()]);
  return { view, alarms };
}

async function refuseWhatLasts(
  etcd: Client,
  { access, view, chosen, force }: { access: EtcdAccess; view: EtcdView; chosen: readonly EtcdRaisedAlarm[]; force: true | undefined },
): Promise<void> {
  const refusals: (HaleError | null)[] = [];
  if (chosen.some(({ alarm }) => alarm === 'NOSPACE')) refusals.push(noSpaceRefusal(spaceOf(view, await quotasOf(etcd, view))));
  if (chosen.some(({ alarm }) => alarm === 'CORRUPT')) refusals.push(await hashRefusal(etcd, access, view));
  for (const refusal of refusals) {
    if (refusal === null) continue;
    if (!force) throw refusal;
    process.stderr.write(`forced although ${refusal.message}\n`);
  }
}

async function hashRefusal(etcd: Client, access: EtcdAccess, view: EtcdView): Promise<HaleError | null> {
  const comparison = await withEtcd({ access, timeoutMs: HASH_MS }, (patient) => compareHashes({ view, etcd, patient, clock: boottime }));
  return corruptRefusal(view, comparison);
}

function named({ alarm, memberId }: EtcdRaisedAlarm, { members }: EtcdView): { alarm: string; memberId: string; name: string } {
  return { alarm, memberId, name: nameOfId(members, memberId) };
}

function describe({ alarm, memberId }: EtcdRaisedAlarm, { members }: EtcdView): string {
  const member = members.find(({ id }) => id === memberId);
  return alarmText({ alarm, memberId, dbSizeBytes: member?.status?.dbSizeBytes ?? null }, member?.name);
}
