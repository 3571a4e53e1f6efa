import { Command, Option } from 'commander';
import { HaleError } from '../../base/error.ts';
import { sizeText } from '../../core/etcd/size-text.ts';
import type { SnapshotPlace } from '../../core/etcd/snapshot/place.ts';
import { interruptible } from '../interrupt.ts';
import { createProgress } from '../progress.ts';
import { type EtcdOptions, etcdAccess, withEtcdOptions } from './options.ts';
import { STDOUT } from '../../drivers/snapshot/stdout.ts';
import { type PrunePlan, type PruneResult, pruneStore, renderPlan } from './prune-store.ts';
import { giveWay, notDue, remember, type ScheduleTurn, turnAfter } from './snapshot-schedule.ts';
import { takeSnapshot, type TakenSnapshot } from './take-snapshot.ts';
import { clusterOption, isForMany, openStore, placeOf, type S3Options, snapshotSettings, withS3Options } from './snapshot-settings.ts';

interface SaveOptions extends EtcdOptions, S3Options {
  cluster?: string;
  member?: string;
  recipient?: string[];
  plain?: true;
  prune?: true;
  ifDue?: true;
  json?: true;
}

/** `hale etcd snapshot save`: one member's database, whole or not at all. */
export function snapshotSaveCommand(): Command {
  const command = withEtcdOptions(new Command('save'))
    .description('save a snapshot of one member: to a folder, a file, standard output (-) or S3-compatible storage (s3://BUCKET/PREFIX/)')
    .argument('[place]', 'where to; by default what the cluster description says (etcd.snapshots)')
    .option('--member <name>', 'member to ask; by default a follower that is not behind')
    .option('--recipient <key>', 'public key of age to encrypt for, instead of those in the cluster description; can be repeated', collect)
    .option('--plain', 'do not encrypt, whatever the cluster description says')
    .addOption(clusterOption())
    .option('--prune', 'afterwards remove older snapshots from there as `hale etcd snapshot prune --yes` does')
    .option('--if-due', 'only when etcd.snapshots.everyMinutes have passed since the newest one that went there, and at low priority');
  return withS3Options(command)
    .addOption(new Option('--sse <kind>', 'have the S3 server encrypt').choices(['AES256', 'aws:kms']))
    .option('--kms-key <id>', 'key for --sse aws:kms')
    .option('--json', 'print one JSON document')
    .action(save);
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

async function save(placeText: string | undefined, options: SaveOptions, command: Command): Promise<void> {
  const settings = snapshotSettings(options, command);
  const place = placeOf(placeText, settings);
  checkFlags(place, options);
  if (options.ifDue && placeText !== undefined)
    command.error('error: --if-due is about the place in the cluster description: name no other.');
  const access = etcdAccess(options, command);
  const recipients = options.plain ? [] : (options.recipient ?? settings.recipients);
  const progress = createProgress();
  const { member, timeout: timeoutMs } = options;
  const asked = { access, timeoutMs };
  if (options.ifDue) {
    giveWay();
    const turn = await notDue(asked, settings.everyMinutes);
    if (turn !== undefined) return showNotDue(turn, options);
  }
  const saved = await interruptible((signal) =>
    takeSnapshot({ place, settings, access, timeoutMs, recipients, progress, signal, ...(member === undefined ? {} : { member }) }),
  ).finally(() => progress.end());
  const say = (text: string) => (options.json || place.kind === 'stdout' ? process.stderr : process.stdout).write(text);
  say(render(saved));
  const forgotten = placeText === undefined ? await remember(asked, saved) : undefined;
  if (forgotten !== undefined) say(`note: ${forgotten}\n`);
  const pruned = options.prune ? await pruneAfter(placeText, { settings, say }) : undefined;
  const schedule = settings.everyMinutes === undefined ? undefined : turnAfter(saved, settings.everyMinutes);
  if (options.json) process.stdout.write(`${JSON.stringify({ ...saved, pruned, schedule }, null, 2)}\n`);
}

function showNotDue(schedule: ScheduleTurn, { json }: SaveOptions): void {
  const [newest, due] = [schedule.newestAtMs, schedule.dueAtMs].map((ms) => new Date(ms).toISOString());
  process.stdout.write(json ? `${JSON.stringify({ schedule }, null, 2)}\n` : `none is due before ${due}: the newest is of ${newest}\n`);
}

function checkFlags(place: SnapshotPlace, { json, prune }: SaveOptions): void {
  if (prune && !isForMany(place)) {
    throw new HaleError({
      code: 'snapshot_nothing_to_prune',
      kind: 'usage',
      message: '--prune thins out a folder or a prefix, and this snapshot goes elsewhere',
      remedy: 'leave out --prune, or save to a folder or to s3://BUCKET/PREFIX/',
    });
  }
  const obstacle = json ? '--json has it for its document' : process.stdout.isTTY ? 'it is a terminal' : undefined;
  if (place.kind !== 'stdout' || obstacle === undefined) return;
  throw new HaleError({
    code: 'snapshot_stdout_taken',
    kind: 'usage',
    message: `the snapshot cannot go to standard output: ${obstacle}`,
    remedy: 'leave out --json and pass it on to a program or a file, or name a folder',
  });
}

async function pruneAfter(
  placeText: string | undefined,
  { settings, say }: { settings: ReturnType<typeof snapshotSettings>; say: (text: string) => void },
): Promise<PruneResult> {
  const store = await openStore(placeText, settings);
  // --prune is the answer to the question.
  const agree = async (plan: PrunePlan) => {
    say(renderPlan(plan));
    return true;
  };
  return await pruneStore({ store, settings, agree });
}

function render({ place, member, revision, storedBytes, isEncrypted, durationMs, notes }: TakenSnapshot): string {
  const facts = [
    sizeText(storedBytes),
    `revision ${revision} or newer`,
    `from ${member.name}`,
    'SHA-256 checked',
    ...(isEncrypted ? ['encrypted'] : []),
    `${(durationMs / 1000).toFixed(1)} s`,
  ];
  return `saved ${place === STDOUT ? 'to ' : ''}${place}: ${facts.join(', ')}\n${notes.map((note) => `note: ${note}\n`).join('')}`;
}
