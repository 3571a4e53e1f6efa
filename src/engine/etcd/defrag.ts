import { type DefragPlan, type DefragTarget, hasCaughtUp, nextDefragStep } from '../../core/etcd/upkeep/defrag.ts';
import { nameOf } from '../../core/etcd/member.ts';
import { defragRefusal } from '../../core/etcd/upkeep/defrag-gate.ts';
import type { PulseLimits } from '../../core/etcd/upkeep/pulse.ts';
import type { EtcdMemberView, EtcdView } from '../../core/etcd/view.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import type { EtcdStopSignal } from '../../ports/etcd.ts';
import { lookAtEtcd } from './look.ts';
import { moveLeader } from './move-leader.ts';
import { pause } from './pause.ts';
import { PulseWatch } from './pulse-watch.ts';
import { StopSource } from './stop-source.ts';

export interface DefragOptions {
  etcd: EtcdAdmin;
  clock: Clock;
  /** Client URLs that lead to the members. */
  urls: readonly string[];
  plan: DefragPlan;
  /** Fails when nothing more may be begun: the lock over operations is lost. */
  check(): void;
  /** Nothing more is begun after it; the member at work finishes. */
  signal: EtcdStopSignal;
  limits: PulseLimits;
  /** Why it must not go on after this member; null when it may. Nothing speaks against it when absent. */
  goesOn?: (done: DefragDone) => DefragStop | null;
  /** How long a member, or the others, may take to be well again after a step. */
  settleMs: number;
  tell: DefragTell;
}

export interface DefragTell {
  /** Something began or ended. */
  step(text: string): void;
  /** What goes on now. */
  at(text: string): void;
}

export interface DefragReport {
  done: DefragDone[];
  /** In their order; not empty only when it stopped. */
  left: DefragTarget[];
  /** Why not all was done; null when it was. */
  stopped: DefragStop | null;
  /** Longest time that a small read took at a member that was not being defragmented. */
  worstLatencyMs: number;
}

export interface DefragDone {
  id: string;
  name: string;
  sizeBeforeBytes: number;
  sizeAfterBytes: number;
  inUseAfterBytes: number;
  /** From the request until the member answered a linearizable read again. */
  pauseMs: number;
}

export interface DefragStop {
  /** `refused`: the cluster is not in the state that a step needs. `degraded`: the others suffered. `lost`: the member, or its answer, did not come back. */
  reason: 'interrupted' | 'refused' | 'degraded' | 'failed' | 'lost' | 'lock_lost' | 'too_full';
  message: string;
}

const LOOK_EVERY_MS = 200;

/** Carries the plan out, one member at a time, and stops when the others suffer. Never fails: the report says why it stopped. */
export async function carryOutDefrag(options: DefragOptions): Promise<DefragReport> {
  const run = new DefragRun(options);
  return await run.toEnd();
}

class DefragRun {
  readonly #options: DefragOptions;
  readonly #done: DefragDone[] = [];
  #left: readonly DefragTarget[];
  #watch: PulseWatch | undefined;

  constructor(options: DefragOptions) {
    this.#options = options;
    this.#left = options.plan.targets;
  }

  async toEnd(): Promise<DefragReport> {
    const stopped = await this.#allSteps().catch((error: unknown): DefragStop => ({ reason: 'failed', message: (error as Error).message }));
    this.#watch?.end();
    return { done: this.#done, left: [...this.#left], stopped, worstLatencyMs: this.#watch?.worstMs ?? 0 };
  }

  async #allSteps(): Promise<DefragStop | null> {
    const { etcd, clock, limits, tell } = this.#options;
    this.#watch = new PulseWatch({ etcd, clock, view: await this.#look(), limits });
    tell.at('measuring how the members answer');
    await this.#watch.takeBaseline();
    while (this.#left.length > 0) {
      const { view, stop } = await this.#untilAllowed(this.#watch);
      if (stop !== null) return stop;
      const step = nextDefragStep(
        view,
        this.#left.map(({ id }) => id),
      );
      this.#watch.expect(view);
      if (step.kind === 'move-leader') await this.#moveLeader(step);
      const wrong = step.kind === 'defragment' ? await this.#defragment(view, step.id) : null;
      if (wrong !== null) return wrong;
    }
    return null;
  }

  #look(): Promise<EtcdView> {
    const { etcd, urls } = this.#options;
    return lookAtEtcd({ etcd, urls });
  }

  /** Waits until the next step may be taken; a member that has just come back, and those that took over from it, get time for it. */
  async #untilAllowed(watch: PulseWatch): Promise<{ view: EtcdView; stop: DefragStop | null }> {
    const { clock, settleMs, signal, plan, tell, check } = this.#options;
    const deadline = clock.now() + settleMs;
    for (;;) {
      const view = await this.#look();
      if (signal.aborted) return { view, stop: stopOf(check) };
      if (watch.degraded !== null) return { view, stop: { reason: 'degraded', message: watch.degraded } };
      const refusal = defragRefusal(view, { pauseAccepted: plan.stopsWrites });
      const waits = refusal?.message ?? (watch.isCalm ? null : 'the members answer slower than before');
      if (waits === null) return { view, stop: null };
      if (clock.now() >= deadline) return { view, stop: { reason: 'refused', message: waits } };
      tell.at(`waiting: ${waits}`);
      await pause(clock, LOOK_EVERY_MS);
    }
  }

  async #moveLeader({ from, to }: { from: EtcdMemberView; to: EtcdMemberView }): Promise<void> {
    const { etcd, clock, urls, tell } = this.#options;
    tell.step(`leadership moves from ${nameOf(from)} to ${nameOf(to)}`);
    this.#watch?.expect(null);
    await moveLeader({ etcd, clock, urls, from, to });
  }

  async #defragment(view: EtcdView, id: string): Promise<DefragStop | null> {
    const { etcd, clock, tell } = this.#options;
    const member = view.members.find((one) => one.id === id);
    const target = this.#left.find((one) => one.id === id) as DefragTarget;
    const name = nameOf(target);
    if (member?.status == null || member.isLearner) return { reason: 'refused', message: `${name} is no voter that answers any more` };
    const stop = stopOf(this.#options.check, this.#options.signal);
    if (stop !== null) return stop;
    tell.step(`${name}: defragmenting, it answers nothing until it is done`);
    this.#watch?.away(id);
    const startedAt = clock.now();
    const work = { isOver: false };
    const ticking = this.#tick(name, work);
    // Not the caller's signal: the member would go on, and nobody would know.
    const problem = await etcd.defragment(target.url, new StopSource()).then(
      () => null,
      (error: unknown) => (error as Error).message,
    );
    const after = await this.#untilReturned(target.url, id);
    work.isOver = true;
    await ticking;
    if (after === null) {
      return {
        reason: 'lost',
        message: `${name} has not come back${problem === null ? '' : ` (${problem})`}; it may still be defragmenting`,
      };
    }
    this.#watch?.away(null);
    return this.#note({ target, before: member.status.dbSizeBytes, after, pauseMs: after.at - startedAt, problem });
  }

  #note(seen: { target: DefragTarget; before: number; after: Returned; pauseMs: number; problem: string | null }): DefragStop | null {
    const { target, before, after, pauseMs, problem } = seen;
    const name = nameOf(target);
    // Where only the answer was lost, the size says that it was done.
    if (problem !== null && after.sizeBytes >= before) return { reason: 'failed', message: `${name} was not defragmented: ${problem}` };
    const { sizeBytes: sizeAfterBytes, inUseBytes: inUseAfterBytes } = after;
    const done = { id: target.id, name: target.name, sizeBeforeBytes: before, sizeAfterBytes, inUseAfterBytes, pauseMs };
    this.#done.push(done);
    this.#left = this.#left.filter(({ id }) => id !== target.id);
    this.#options.tell.step(`${name}: done after ${(pauseMs / 1000).toFixed(1)} s`);
    return this.#options.goesOn?.(done) ?? null;
  }

  async #tick(name: string, work: { isOver: boolean }): Promise<void> {
    const { clock, tell, signal } = this.#options;
    const startedAt = clock.now();
    while (!work.isOver) {
      const going = `${name}: defragmenting for ${((clock.now() - startedAt) / 1000).toFixed(0)} s`;
      const degraded = this.#watch?.degraded ?? null;
      const next = degraded !== null ? `; nothing more is begun: ${degraded}` : signal.aborted ? '; nothing more is begun' : '';
      tell.at(`${going}, slowest answer of the others ${Math.round(this.#watch?.worstMs ?? 0)} ms${next}`);
      await pause(clock, LOOK_EVERY_MS);
    }
  }

  /** The member once it answers a linearizable read and has caught up, which proves that it takes part again; null when it does not in time. */
  async #untilReturned(url: string, id: string): Promise<Returned | null> {
    const { etcd, clock, settleMs } = this.#options;
    const deadline = clock.now() + settleMs;
    for (;;) {
      try {
        await etcd.probe(url);
        const at = clock.now();
        const member = (await this.#look()).members.find((one) => one.id === id);
        if (member?.status != null && hasCaughtUp(member)) {
          return { at, sizeBytes: member.status.dbSizeBytes, inUseBytes: member.status.dbSizeInUseBytes };
        }
      } catch {
        // Not yet: only the deadline counts.
      }
      if (clock.now() >= deadline) return null;
      await pause(clock, LOOK_EVERY_MS);
    }
  }
}

interface Returned {
  /** When it answered. */
  at: number;
  sizeBytes: number;
  inUseBytes: number;
}

/** Why nothing more may be begun: the lock over operations is lost, or somebody wishes so. */
function stopOf(check: () => void, signal?: EtcdStopSignal): DefragStop | null {
  try {
    check();
  } catch (error) {
    return { reason: 'lock_lost', message: (error as Error).message };
  }
  return signal === undefined || signal.aborted ? { reason: 'interrupted', message: 'interrupted' } : null;
}
