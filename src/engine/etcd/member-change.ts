import { assert } from '../../base/assert.ts';
import { HaleError } from '../../base/error.ts';
import { type MemberPlan, planMemberChange } from '../../core/etcd/members/change.ts';
import { isAlive } from '../../core/etcd/members/state.ts';
import { type ComingMember, isSameAction, isSamePlace, type MemberStep, stepText } from '../../core/etcd/members/step.ts';
import type { MemberTarget } from '../../core/etcd/members/target.ts';
import { isPassingRefusal, memberRefusal } from '../../core/etcd/members/words.ts';
import type { EtcdMemberView, EtcdView } from '../../core/etcd/view.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import { dropRecord, type MemberFacts, readMembers, writeRecord } from './members.ts';
import type { HeldOperation } from './operation-lock.ts';
import { pause } from './pause.ts';

export interface MemberChangeOptions {
  etcd: EtcdAdmin;
  /** Where members are asked first. */
  urls: readonly string[];
  clock: Clock;
  target: MemberTarget;
  /** As it was shown: nothing else is done. */
  plan: MemberPlan;
  held: HeldOperation;
  onEvent: (event: MemberChangeEvent) => void;
  /** How long people may take to start a new member; 0 leaves when it comes to that. */
  waitMs: number;
}

export type MemberChangeEvent =
  | { kind: 'begun' | 'done'; step: MemberStep; view: EtcdView }
  /** Why a step takes its time. */
  | { kind: 'waits'; step: MemberStep; reason: string };

export interface MemberChangeOutcome {
  /** `waiting`: for people, who were not waited for. */
  state: 'done' | 'waiting';
  /** What is left to do. */
  left: MemberStep[];
  view: EtcdView;
}

const POLL_MS = 500;
/** What other hands have done does not pass. */
const LASTING = [
  'etcd_members_changed',
  'etcd_change_under_way',
  'etcd_member_exists',
  'etcd_member_alive',
  'etcd_alarm_raised',
  'etcd_last_member',
  'etcd_single_member',
];
/** How long a state that forbids the next step may last: an election, a connection that is young, a member that was slow to answer. */
const PATIENCE_MS = 20_000;

/**
 * Carries out a change of members. Before every step the members are read again from the majority and the plan is made anew: it must be the rest of the one shown.
 * So nothing is kept in between but what etcd itself knows, and a change that was cut short anywhere goes on when it is asked for again.
 * HaleErrors: those of the plan, `etcd_members_changed`, `etcd_change_interrupted`, `etcd_member_not_started`, `etcd_step_failed`, those of the lock, and what etcd says.
 */
export async function changeMembers(options: MemberChangeOptions): Promise<MemberChangeOutcome> {
  return await new MemberChange(options).run();
}

interface Attempt {
  step: MemberStep;
  startedAt: number;
  error?: Error;
}

class MemberChange {
  readonly #options: MemberChangeOptions;
  #target: MemberTarget;
  #urls: readonly string[];
  /** As of the last look. */
  #left: readonly MemberStep[];
  #attempt: Attempt | undefined;

  constructor(options: MemberChangeOptions) {
    this.#options = options;
    this.#target = options.target;
    this.#urls = options.urls;
    this.#left = options.plan.steps;
  }

  async run(): Promise<MemberChangeOutcome> {
    const { held, clock, waitMs } = this.#options;
    for (;;) {
      const { view, record, steps: left } = await this.#settled();
      this.#left = left;
      const step = this.#next(left, view);
      if (step === undefined) {
        await this.#forget(record);
        return { state: 'done', left, view };
      }
      this.#goOn();
      const attempt = this.#attempt as Attempt;
      if (step.kind === 'start' || step.kind === 'join') {
        if (waitMs === 0) return { state: 'waiting', left, view };
        if (clock.now() >= attempt.startedAt + waitMs) throw notStarted(step, newcomer(step.coming, view));
        this.#options.onEvent({ kind: 'waits', step, reason: waitingFor(step.coming, view) });
      } else {
        if (attempt.error !== undefined && this.#isFinal(attempt)) throw memberRefusal(attempt.error);
        await this.#act(step, view);
        if (attempt.error === undefined) continue;
        this.#options.onEvent({ kind: 'waits', step, reason: attempt.error.message });
      }
      await pause(clock, POLL_MS, held.signal);
    }
  }

  /** The facts, and the plan that they make; waits while that is refused for a reason that may pass. */
  async #settled(): Promise<MemberFacts & { steps: MemberStep[] }> {
    const { clock, held } = this.#options;
    const deadline = clock.now() + PATIENCE_MS;
    for (;;) {
      const found = await this.#look();
      if (!(found instanceof Error)) return found;
      this.#goOn();
      if (LASTING.includes(found.code) || clock.now() >= deadline) throw found;
      const step = this.#attempt?.step ?? this.#left[0];
      if (step !== undefined) this.#options.onEvent({ kind: 'waits', step, reason: found.message });
      await pause(clock, POLL_MS, held.signal);
    }
  }

  /** Throws when the work is to stop. */
  #goOn(): void {
    const { held } = this.#options;
    if (!held.signal.aborted) return;
    held.check();
    throw interrupted(this.#left);
  }

  async #look(): Promise<(MemberFacts & { steps: MemberStep[] }) | HaleError> {
    try {
      const facts = await readMembers({ ...this.#options, urls: this.#urls });
      this.#recognise(facts.view);
      this.#turnTo(facts.view);
      const planned = planMemberChange(facts.view, this.#target);
      if (planned instanceof Error) return planned;
      return isTail(planned.steps, this.#options.plan.steps) ? { ...facts, steps: planned.steps } : changed(planned.steps);
    } catch (error) {
      if (error instanceof HaleError) return error;
      throw error;
    }
  }

  /** Asks voters that are alive, and one that goes only while there is no other. */
  #turnTo({ members }: EtcdView): void {
    const voters = members.filter((member) => !member.isLearner && isAlive(member));
    const staying = voters.filter(({ id }) => id !== this.#target.leaving?.id);
    const urls = (staying.length > 0 ? staying : voters).flatMap(({ url }) => url ?? []);
    if (urls.length === 0) return;
    this.#urls = urls;
    this.#options.etcd.useEndpoints(urls);
  }

  /** From when it is first seen, what came is told by its id. */
  #recognise({ members }: EtcdView): void {
    const { coming, leaving } = this.#target;
    if (coming === undefined || coming.id !== undefined) return;
    const seen = members.find(({ id, peerUrls }) => id !== leaving?.id && isSamePlace(peerUrls, coming.peerUrls));
    if (seen !== undefined) this.#target = { ...this.#target, coming: { ...coming, id: seen.id } };
  }

  #next(steps: readonly MemberStep[], view: EtcdView): MemberStep | undefined {
    const [step] = steps;
    const { onEvent, clock } = this.#options;
    const before = this.#attempt;
    if (before !== undefined && step !== undefined && isSameAction(before.step, step)) return step;
    if (before !== undefined) onEvent({ kind: 'done', step: before.step, view });
    this.#attempt = step && { step, startedAt: clock.now() };
    if (step !== undefined) onEvent({ kind: 'begun', step, view });
    return step;
  }

  /** Whether an attempt that failed, and has had no effect since, is not to be repeated. */
  #isFinal({ error, startedAt, step }: Attempt): boolean {
    const mayPass = isPassingRefusal(error, step.kind) || (error instanceof HaleError && error.code !== 'etcd_refused');
    return !mayPass || this.#options.clock.now() >= startedAt + PATIENCE_MS;
  }

  /** What fails without a clear answer may have been done all the same: the next look shows it. */
  async #act(step: MemberStep, view: EtcdView): Promise<void> {
    const { etcd, held, clock } = this.#options;
    const attempt = this.#attempt as Attempt;
    delete attempt.error;
    if (clock.now() >= attempt.startedAt + PATIENCE_MS) throw withoutEffect(step);
    try {
      const { leaving, coming } = this.#target;
      const isReplacement = leaving !== undefined && coming !== undefined && view.members.some(({ id }) => id === leaving.id);
      held.check();
      // An alarm that takes no lock takes no record either.
      if (isReplacement && held.exclusive) await writeRecord(etcd, { leaving, coming: bareComing(coming) });
      held.check();
      await this.#call(step, view);
    } catch (error) {
      if (!(error instanceof HaleError) || error.code === 'etcd_operation_lock_lost') throw error;
      attempt.error = error;
    }
  }

  async #call(step: MemberStep, view: EtcdView): Promise<void> {
    const { etcd } = this.#options;
    switch (step.kind) {
      case 'move-leader':
        return await etcd.moveLeader(view.leader?.url as string, step.to.id);
      case 'remove':
        return await etcd.removeMember(step.member.id);
      case 'add': {
        const { id } = await etcd.addLearner(step.coming.peerUrls);
        this.#target = { ...this.#target, coming: { ...(this.#target.coming as NonNullable<MemberTarget['coming']>), id } };
        return;
      }
      case 'promote': {
        const id = newcomer(step.coming, view)?.id;
        assert(id !== undefined && id === this.#target.coming?.id, 'only what was added is promoted');
        return await etcd.promote(id);
      }
      case 'start':
      case 'join':
        assert(false, 'people start members');
    }
  }

  /** The record of a replacement that is over: done, or undone by the removal of what came. */
  async #forget(record: MemberFacts['record']): Promise<void> {
    const { leaving, coming } = this.#target;
    if (record === undefined || !this.#options.held.exclusive) return;
    const isOver = coming !== undefined ? isSamePlace(coming.peerUrls, record.coming.peerUrls) : isUndone(leaving, record);
    if (isOver) await dropRecord(this.#options.etcd);
  }
}

type Coming = NonNullable<MemberTarget['coming']>;

function bareComing({ name, peerUrls, by }: Coming) {
  return { name, peerUrls, by };
}

function isUndone(leaving: MemberTarget['leaving'], record: NonNullable<MemberFacts['record']>): boolean {
  return leaving !== undefined && leaving.id !== record.leaving.id && isSamePlace(leaving.peerUrls, record.coming.peerUrls);
}

function newcomer({ peerUrls }: ComingMember, { members }: EtcdView): EtcdMemberView | undefined {
  return members.find((member) => isSamePlace(member.peerUrls, peerUrls));
}

function waitingFor(coming: ComingMember, view: EtcdView): string {
  const member = newcomer(coming, view);
  if (member === undefined) return `${coming.name} is not known to etcd yet`;
  if (member.name === '') return `${coming.name} (member ${member.id}) has not started yet`;
  if (member.status === null) return `${coming.name} (member ${member.id}) has started, and does not answer: ${member.problem}`;
  return `${coming.name} (member ${member.id}) is ${member.lag ?? 0} entries behind`;
}

/** Whether `rest` is how `whole` ends. Leadership moves by itself, so steps that move it are left out. */
function isTail(rest: readonly MemberStep[], whole: readonly MemberStep[]): boolean {
  const [left, all] = [rest, whole].map((steps) => steps.filter(({ kind }) => kind !== 'move-leader')) as [MemberStep[], MemberStep[]];
  const offset = all.length - left.length;
  return offset >= 0 && left.every((step, i) => isSameAction(step, all[offset + i] as MemberStep));
}

function interrupted(steps: readonly MemberStep[]): HaleError {
  const left = steps.map(stepText).join('; ');
  return new HaleError({
    code: 'etcd_change_interrupted',
    kind: 'world',
    message: `interrupted between two steps; left to do: ${left}`,
    remedy: 'run the same command again, which goes on from here; hale etcd member list shows how it stands and how to undo it',
  });
}

function changed(steps: readonly MemberStep[]): HaleError {
  const wanted = steps.map(stepText).join('; ');
  return new HaleError({
    code: 'etcd_members_changed',
    kind: 'world',
    message: `etcd is not what the plan was made for: from here it would be: ${wanted}`,
    remedy: 'see hale etcd member list, then run the command again for a new plan',
  });
}

function notStarted({ kind, coming }: Extract<MemberStep, { coming: ComingMember }>, member: EtcdMemberView | undefined): HaleError {
  const { name } = coming;
  const problem = member === undefined ? 'was not added' : member.name === '' ? 'has not started' : (member.problem ?? 'is not in sync');
  return new HaleError({
    code: 'etcd_member_not_started',
    kind: 'world',
    message: `${name} ${problem} in time; ${kind === 'join' || member === undefined ? 'what was done stays' : `it stays a learner (member ${member.id}), which has no vote and harms nobody`}`,
    remedy: `see its log there: with old data in its folder, etcd ends at once ("permanently removed", "cluster ID mismatch"). Mend that and run the command again, which goes on from here${member === undefined ? '' : `; or undo it: hale etcd member remove ${member.id}`}`,
  });
}

function withoutEffect(step: MemberStep): HaleError {
  return new HaleError({
    code: 'etcd_step_failed',
    kind: 'world',
    message: `etcd agreed to ${stepText(step)}, and nothing came of it`,
    remedy: 'see hale etcd status, then run the command again',
  });
}
