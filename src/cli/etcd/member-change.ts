import { type Command, InvalidArgumentError, Option } from 'commander';
import type { MemberPlan } from '../../core/etcd/members/change.ts';
import { joinLines } from '../../core/etcd/members/join.ts';
import { arithmeticText, type JoinedBy, type MemberStep, stepText } from '../../core/etcd/members/step.ts';
import type { Accepted, MemberTarget, MemberWish } from '../../core/etcd/members/target.ts';
import type { EtcdView } from '../../core/etcd/view.ts';
import type { Cluster } from '../../core/cluster/schema.ts';
import { peerUrl } from '../../core/render/systemd/etcd.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { changeMembers, type MemberChangeEvent, type MemberChangeOutcome } from '../../engine/etcd/member-change.ts';
import { planChange } from '../../engine/etcd/member-plan.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import { agreed } from '../agreed.ts';
import { interruptible } from '../interrupt.ts';
import { createProgress, type Progress } from '../progress.ts';
import { table } from '../table.ts';
import { wholeNumber } from '../whole-number.ts';
import { exclusively } from './exclusively.ts';
import { type EtcdOptions, etcdPlace, withEtcd, withEtcdOptions } from './options.ts';

/** Of every command that changes members. */
export interface ChangeOptions extends EtcdOptions {
  yes?: true;
  dryRun?: true;
  json?: true;
}

/** Of those that bring a member in. */
export interface ArrivalOptions extends ChangeOptions {
  peerUrl?: string[];
  distribution?: Cluster['distribution'];
  /** Seconds; false with --no-wait. */
  wait: number | false;
}

export function withChangeOptions(command: Command): Command {
  return withEtcdOptions(command)
    .option('--yes', 'do not ask')
    .option('--dry-run', 'only show what would be done')
    .option('--json', 'print one JSON document');
}

export function withWaitOptions(command: Command): Command {
  return withChangeOptions(command)
    .addOption(new Option('--wait <s>', 'how long the new member may take to start, in seconds').argParser(wholeNumber).default(900))
    .option('--no-wait', 'end when it is to be started; the same command goes on from there');
}

export function withArrivalOptions(command: Command): Command {
  return withWaitOptions(command)
    .addOption(
      new Option(
        '--peer-url <urls>',
        'where the other members reach the new one, such as https://10.0.0.14:2380; separated by commas. Without it, as a host of the cluster description or as the one that is replaced',
      ).argParser(peerUrls),
    )
    .addOption(
      new Option(
        '--distribution <name>',
        'what sets the new member up: kubeadm, k3s and rke2 make it known to etcd themselves, otherwise hale does. Without it, as in the cluster description or as found on this host',
      ).choices(['kubeadm', 'k3s', 'rke2', 'systemd']),
    );
}

/** Parses a list of peer URLs. */
export function peerUrls(text: string): string[] {
  const list = text.split(',').map((url) => url.trim().replace(/\/$/, ''));
  const wrong = list.find(
    (url) => !URL.canParse(url) || new URL(url).origin !== url || !url.startsWith('https:') || new URL(url).port === '',
  );
  if (wrong === undefined) return list;
  throw new InvalidArgumentError(`${JSON.stringify(wrong)} is no https URL with a port, such as https://10.0.0.14:2380.`);
}

/** What a command wants, once it is known what sets members up. */
export type WishMaker = (by: JoinedBy) => MemberWish;

interface Change {
  options: ChangeOptions & Partial<ArrivalOptions>;
  command: Command;
  accepts: Accepted;
  wish: WishMaker;
}

/** The whole way of a command: look, plan, ask, act, tell. */
export async function runMemberChange(change: Change): Promise<void> {
  const { options, command } = change;
  const progress = createProgress();
  const { access, cluster } = etcdPlace(options, command);
  const by = joinedBy(options.distribution ?? distributionOf(cluster, access.from));
  await withEtcd({ access, timeoutMs: options.timeout }, async (etcd) => {
    const urls = access.endpoints;
    const wish = change.wish(by);
    const urlsOf = (name: string) => describedUrls(cluster, name);
    const { target, plan, view, isRecorded } = await planChange({ etcd, urls, clock: boottime, wish, accepts: change.accepts, urlsOf });
    const story: Story = { options, target, plan, cluster, progress };
    const say = options.json ? process.stderr : process.stdout;
    say.write(renderPlan(story, view));
    const isIdle = plan.steps.length === 0;
    const undone = 'no member was changed';
    const isOver = isIdle && !isRecorded;
    if (isOver || options.dryRun || !(isIdle || (await agreed('Change the members?', { ...options, undone })))) {
      if (options.json) writeDocument(story, { state: isIdle ? 'done' : 'planned', left: plan.steps, view });
      return;
    }
    const outcome = await carryOut(etcd, { ...story, urls, what: command.name() });
    tell(story, outcome);
  });
}

function distributionOf(cluster: Cluster | undefined, from: string): Cluster['distribution'] {
  if (cluster !== undefined) return cluster.etcd.topology === 'external' ? 'systemd' : cluster.distribution;
  return from.startsWith('kubeadm') ? 'kubeadm' : from.startsWith('k3s') ? 'k3s' : from.startsWith('rke2') ? 'rke2' : 'systemd';
}

function joinedBy(distribution: Cluster['distribution']): JoinedBy {
  return distribution === 'systemd' ? 'hale' : distribution;
}

/** Only stacked members are hosts of the description. */
function describedUrls(cluster: Cluster | undefined, name: string): string[] | undefined {
  const host = cluster?.controlPlane.hosts.find((candidate) => candidate.name === name);
  return host === undefined || cluster?.etcd.topology === 'external' ? undefined : [peerUrl(host)];
}

interface Story {
  options: Change['options'];
  target: MemberTarget;
  plan: MemberPlan;
  cluster: Cluster | undefined;
  progress: Progress;
}

function renderPlan(story: Story, view: EtcdView): string {
  const { steps, warnings } = story.plan;
  if (steps.length === 0) return 'nothing is left to do: the members are as they are to be (hale etcd member list)\n';
  const first = steps[0] as MemberStep;
  const rows = steps.map((step, i) => [`${i + 1}. ${stepText(step)}`, arithmeticText(step.after)]);
  const lines = warnings.map((warning) => `warning: ${warning}\n`);
  return `${table(['STEP', 'THEN'], [['now', arithmeticText(first.before)], ...rows])}${lines.join('')}${renderJoin(joinOf(story, { view, steps }))}`;
}

/** What is to be done on the new member's host; nothing when none of `steps` waits for that. */
function joinOf({ target, cluster }: Story, { view, steps }: { view: EtcdView; steps: readonly MemberStep[] }): string[] {
  const { coming, leaving } = target;
  if (coming === undefined || !steps.some(({ kind }) => kind === 'start' || kind === 'join')) return [];
  const kinds = steps.map(({ kind }) => kind).filter((kind) => kind !== 'move-leader');
  const members = kinds[0] === 'remove' ? view.members.filter(({ id }) => id !== leaving?.id) : view.members;
  const isRendered = cluster?.distribution === 'systemd' && cluster.etcd.topology === 'stacked';
  return joinLines({ coming, by: coming.by, members, dataDir: cluster?.etcd.dataDir ?? '/var/lib/etcd', isRendered });
}

function renderJoin(lines: readonly string[]): string {
  return lines.length === 0 ? '' : `To start the new member, when it comes to that:\n${lines.map((line) => `  ${line}\n`).join('')}`;
}

async function carryOut(etcd: EtcdAdmin, story: Story & { urls: readonly string[]; what: string }): Promise<MemberChangeOutcome> {
  const { options, target, plan, progress, urls, what } = story;
  const { wait = 0 } = options;
  const waitMs = wait === false ? 0 : wait * 1000;
  const onEvent = (event: MemberChangeEvent) => report(story, event);
  const { coming, leaving } = target;
  const whom = (leaving ?? coming)?.name;
  const work = async (signal: AbortSignal) =>
    // An alarm of the member that goes is the reason why it goes.
    await exclusively({ etcd, what: `member ${what} ${whom}`, signal, underAlarm: 'work' }, async (held) =>
      changeMembers({ etcd, urls, clock: boottime, target, plan, held, waitMs, onEvent }),
    );
  // Past interruptible, which words interruptions of what is taken down by them.
  const ended = await interruptible(async (signal) => await work(signal).catch((error: Error) => error), {
    says: 'stopping after this step',
  }).finally(() => progress.end());
  if (ended instanceof Error) throw ended;
  return ended;
}

function report(story: Story, event: MemberChangeEvent): void {
  const { progress } = story;
  if (event.kind === 'waits') return progress.at(event.reason);
  progress.step(`${event.kind === 'begun' ? 'begun' : 'done '}: ${stepText(event.step)}`);
  const isForPeople = event.step.kind === 'start' || event.step.kind === 'join';
  if (event.kind === 'begun' && isForPeople) progress.step(renderJoin(joinOf(story, { view: event.view, steps: [event.step] })).trimEnd());
}

function tell(story: Story, outcome: MemberChangeOutcome): void {
  const { options } = story;
  const left = outcome.left.map(stepText);
  if (options.json) writeDocument(story, outcome);
  else if (outcome.state === 'done') process.stdout.write(`done: ${arithmeticText(outcome.view.quorum)}\n`);
  else process.stdout.write(`left to do: ${left.join('; ')}\nRun the same command again when the new member is started.\n`);
}

function writeDocument(story: Story, outcome: { state: string; left: MemberStep[]; view: EtcdView }): void {
  const { target, plan } = story;
  const steps = (list: readonly MemberStep[]) => list.map((step) => ({ ...step, text: stepText(step) }));
  const document = {
    state: outcome.state,
    target,
    steps: steps(plan.steps),
    warnings: plan.warnings,
    left: steps(outcome.left),
    toStart: joinOf(story, { view: outcome.view, steps: outcome.left }),
    quorum: outcome.view.quorum,
    members: outcome.view.members,
  };
  process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
}
